//! `kt.grpc`.

mod message;
