import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { whenUnauthorized } from "./api.ts";
import { at, useRoute, type Route } from "./router.ts";
import { redeem, signOut, takeCode, token } from "./session.ts";
import { ListPage } from "./pages/list.tsx";
import { NewPage } from "./pages/new.tsx";
import { OptimizationPage } from "./pages/optimization.tsx";
import { ServePage } from "./pages/serve.tsx";
import { Mark } from "./mark.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { TrainingPage } from "./pages/training.tsx";

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "list": return <ListPage />;
    case "optimization": return <OptimizationPage key={route.id} id={route.id} />;
    case "training": return <TrainingPage />;
    case "new": return <NewPage />;
    case "serve": return <ServePage key={route.id ?? ""} id={route.id} />;
  }
}

const NAVIGATION: { href: string; name: string; pages: Route["page"][] }[] = [
  { href: at.list, name: "Optimizations", pages: ["list", "optimization"] },
  { href: at.training, name: "Training", pages: ["training"] },
  { href: at.serve(), name: "Try serving", pages: ["serve"] },
  { href: at.create, name: "New", pages: ["new"] },
];

function App({ problem }: { problem: string | undefined }) {
  const [signedIn, setSignedIn] = useState(token() !== null);
  const [message, setMessage] = useState(problem);
  const route = useRoute();
  useEffect(() => {
    whenUnauthorized(() => {
      // On the way in, the form itself says what is wrong.
      setSignedIn((was) => {
        if (was) setMessage("The service does not take this key or token any more. Sign in again.");
        return false;
      });
    });
  }, []);
  if (!signedIn) {
    return <SignIn message={message} done={() => { setMessage(undefined); setSignedIn(true); }} />;
  }
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to content</a>
      <header class="top">
        <a class="brand" href={at.list}><Mark /> Fulcrum</a>
        <nav aria-label="Main">
          {NAVIGATION.map(({ href, name, pages }) => (
            <a key={href} href={href} {...(pages.includes(route.page) ? { "aria-current": "page" as const } : {})}>{name}</a>
          ))}
        </nav>
        <button type="button" class="link" onClick={() => { signOut(); setSignedIn(false); }}>Sign out</button>
      </header>
      <main id="main" tabIndex={-1}><Page route={route} /></main>
    </>
  );
}

async function start() {
  const code = takeCode();
  let problem: string | undefined;
  if (code !== null) {
    try {
      await redeem(code);
    } catch (error) {
      problem = (error as Error).message;
    }
  }
  render(<App problem={problem} />, document.getElementById("app")!);
}

void start();
