//! Runs the built binary the way a user does, against servers in this process, and looks at what it leaves behind: exit
//! code, text, summary, requests that arrived. What each module checks is in its first line; no part of the engine is
//! called from here.

mod bad_input;
mod bad_plans;
mod bad_servers;
mod capacity;
mod challenge;
mod checkpoints;
mod commons;
mod counts;
mod demo;
mod documents;
mod ends;
mod events;
mod examples;
mod frozen;
mod grpc;
mod grpcio;
mod hooks;
mod http2;
mod journeys;
mod kit;
mod live;
mod nginx;
mod numbers;
mod orchestrator;
mod own_tests;
mod parts;
mod projects;
mod prometheus;
mod quick;
mod reload;
mod repl;
mod results;
mod server;
mod shop;
mod signals;
mod summary;
mod tokens;
mod tools;
mod trace;
mod tutorial;
mod waiting;
