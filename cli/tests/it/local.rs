//! `fulcrum local` as a neighbour on the machine: what others can read of it, and under which names it answers.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::process::{LocalProcess, command, json, run, run_with_input};

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;

    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The status that a GET with a host gets from a server.
fn status(url: &str, path: &str, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[cfg(unix)]
#[test]
fn a_data_folder_is_its_owners_and_has_a_key_pair_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;

    let parent = tempfile::tempdir().unwrap();
    let folders = ["one", "two"].map(|name| parent.path().join(name));
    fs::create_dir(&folders[0]).unwrap();
    fs::set_permissions(&folders[0], fs::Permissions::from_mode(0o755)).unwrap();
    let pairs = folders.clone().map(|folder| {
        let local = LocalProcess::start(&["--data", folder.to_str().unwrap()]);
        let body = crate::data::mab().to_string();
        json(&run_with_input(&["models", "create", "--file", "-", "--json"], &local.environment, &body));
        let pair = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| local.variable(name).to_owned());
        assert_eq!(local.end("TERM").status, Some(0));
        for (path, expected) in [("", 0o700), ("s3", 0o700), ("dynamodb", 0o700), ("local.env", 0o600)] {
            assert_eq!(mode(&folder.join(path)), expected, "{path}");
        }
        // Written by the store later than its folder was closed.
        assert_eq!(mode(&folder.join("dynamodb/tables.sqlite")), 0o600);
        pair
    });
    assert_ne!(pairs[0][0], pairs[1][0]);
    assert_ne!(pairs[0][1], pairs[1][1]);
    for [id, secret] in pairs {
        assert!(id.len() >= 20 && id.bytes().all(|b| b.is_ascii_alphanumeric()) && secret.len() >= 40, "{id}");
    }
}

#[test]
fn a_folder_of_other_files_is_no_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "x").unwrap();
    #[cfg(unix)]
    let before = mode(folder.path());
    let ended = run(&["local", "--port", "0", "--data", folder.path().to_str().unwrap()], &[]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("contains other files"), "{ended:?}");
    #[cfg(unix)]
    assert_eq!(mode(folder.path()), before);
}

#[test]
fn names_can_be_allowed_and_an_open_address_is_warned_of() {
    let quiet = LocalProcess::start(&["--ephemeral"]);
    let open = LocalProcess::start(&["--ephemeral", "--address", "0.0.0.0", "--allow-host", "my.laptop"]);
    for (local, expected) in [(&quiet, [400, 403]), (&open, [200, 404])] {
        let port = |name: &str| local.variable(name).rsplit_once(':').unwrap().1.to_owned();
        let url = |name: &str| format!("http://127.0.0.1:{}", port(name));
        let token = format!("host: my.laptop\r\nauthorization: Bearer {}\r\n", local.variable("FULCRUM_API_KEY"));
        assert_eq!(status(&url("FULCRUM_URL"), "/api/v2/models", &token), expected[0]);
        // What is not POST is not found by whoever gets so far.
        assert_eq!(status(&url("AWS_ENDPOINT_URL_DYNAMODB"), "/", "host: my.laptop\r\n"), expected[1]);
        assert_eq!(status(&url("AWS_ENDPOINT_URL_S3"), "/fulcrum", "host: my.laptop\r\n"), 403);
    }
    let warned = open.end("TERM").stderr;
    assert!(warned.contains("warning: listening on 0.0.0.0: everyone"), "{warned}");
    assert!(!quiet.end("TERM").stderr.contains("warning:"));
}

#[test]
fn folders_of_killed_ephemeral_services_go_at_the_next_start() {
    let temporary = tempfile::tempdir().unwrap();
    let variables = [("TMPDIR".to_owned(), temporary.path().to_str().unwrap().to_owned())];
    let start = || LocalProcess::spawn(&mut command(&["local", "--port", "0", "--ephemeral"], &variables));
    let folders = || {
        let entries = fs::read_dir(temporary.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    start().end("KILL");
    let left = folders();
    assert!(!left.is_empty(), "nothing was left, so that nothing is shown");
    for folder in &left {
        let lock = File::options().write(true).open(folder.join("lock")).unwrap();
        lock.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    }
    let running = start();
    for folder in left {
        assert!(!folder.exists(), "{} is still there", folder.display());
    }
    assert_eq!(running.end("TERM").status, Some(0));
    assert!(folders().is_empty(), "{:?}", folders());
}

#[test]
fn names_from_outside_do_not_command_the_terminal() {
    let local = LocalProcess::start(&["--ephemeral"]);
    let name = "\u{1b}[2J\u{1b}]0;title\u{7}user\u{202e}gpj\nrow";
    let made = json(&run(&["keys", "create", "--name", name, "--json"], &local.environment));
    assert_eq!(made["name"], name, "JSON stays the same JSON");
    for arguments in [&["keys", "list"][..], &["keys", "list", "--json"], &["keys", "create", "--name", name]] {
        let ended = run(arguments, &local.environment);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!ended.stdout.contains(raw), "{ended:?}");
        assert!(ended.stdout.contains("\\u{202e}") || ended.stdout.contains("\\u202e"), "{ended:?}");
        assert!(!ended.stdout.lines().any(|line| line.starts_with("row")), "{ended:?}");
    }
    // What the service says back of a value goes the same way.
    let ended = run(
        &["serve", "4754cae0-9a5d-4691-91af-6d15ccc1f82e", "--anonymous-id", "x", "--url", "http://\u{1b}[2J"],
        &[],
    );
    assert!(ended.status == Some(1) && !ended.stderr.contains('\u{1b}'), "{ended:?}");
}
