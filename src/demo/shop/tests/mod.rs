//! The shop over real loopback sockets in virtual time: endpoints, faults, measurement, shutdown. Pure parts are tested
//! beside their code.

mod client;
mod endpoints;
mod faulty;
mod measurement;
