//! The shop over real loopback sockets in virtual time: endpoints, faults, measurement, shutdown. Pure parts are tested
//! beside their code.
//!
//! Time is paused: it moves only while everybody waits, to the next timer, so that seconds cost nothing and service
//! times are exact to the runtime's millisecond.

mod client;
mod endpoints;
mod faulty;
mod measurement;
