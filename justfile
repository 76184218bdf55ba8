# What one types daily; every recipe is one line of cargo, listed in docs/development.md too. `just` itself is optional.

# The commands
default:
    @just --list

# Build and run the whole service on this machine
local *args:
    cargo run -- local {{args}}

# The demonstration, end to end
demo *args:
    cargo run -- demo --exit {{args}}

# Type-check one crate with its tests
check crate:
    cargo check -p {{crate}} --tests

# The tests of one crate whose names contain a text
test crate name="":
    cargo test -p {{crate}} {{name}}

# Send all events to the functions; check permissions, layers and the template
events:
    cargo test -p e2e --test it

# What must hold before a commit
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Everything, as CI
ci:
    .ci/run
