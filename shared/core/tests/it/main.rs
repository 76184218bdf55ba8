//! The use cases over real stores inside the process, and JWTs against an issuer on this machine.

mod events;
mod jwt;
mod serving;
