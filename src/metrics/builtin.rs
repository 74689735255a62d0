//! The metrics that the engine itself records, one line each. Those of scripts are declared in the registry.

use super::registry::{Kind, MetricId, Unit};

/// Which samples stay out of a metric's headline, that is its root and its parts by scenario, stage and phase.
///
/// What that means for sub-metrics, and for warm-ups, is in `admission`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// None.
    All,
    /// Those of `setup`, `vu_init` and `teardown`.
    Journeys,
    /// Those, and those of polls.
    JourneysNoPoll,
}

/// A built-in metric.
#[derive(Debug)]
pub struct Builtin {
    /// Its name; k6's where k6 has it.
    pub name: &'static str,
    /// What it does with its samples.
    pub kind: Kind,
    /// What its values are measured in.
    pub unit: Unit,
    /// Which samples its headline leaves out.
    pub scope: Scope,
    /// What it tells, in one line.
    pub help: &'static str,
}

macro_rules! builtins {
    ($($id:ident $name:literal $kind:ident $unit:ident $scope:ident $help:literal;)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers the constants below, which bear the same names")]
        enum Number { $($id),* }
        $(#[doc = $help] pub const $id: MetricId = MetricId::new(Number::$id as u32);)*
        /// All built-in metrics, in the order of their ids.
        pub static BUILTINS: &[Builtin] = &[$(
            Builtin { name: $name, kind: Kind::$kind, unit: Unit::$unit, scope: Scope::$scope, help: $help },
        )*];
    };
}

builtins! {
    HTTP_REQS "http_reqs" Counter None All "HTTP requests sent, redirects and polls included.";
    HTTP_REQ_FAILED "http_req_failed" Rate None Journeys "Share of requests that did not get what they expected.";
    HTTP_REQ_DURATION "http_req_duration" Trend Ms JourneysNoPoll "Service time: sending + waiting + receiving.";
    HTTP_REQ_RESPONSE_TIME "http_req_response_time" Trend Ms JourneysNoPoll "Intended start of the iteration to the end of its first request.";
    HTTP_REQ_BLOCKED "http_req_blocked" Trend Ms JourneysNoPoll "Waiting for a connection or a slot, and looking the name up.";
    HTTP_REQ_CONNECTING "http_req_connecting" Trend Ms JourneysNoPoll "Establishing the TCP connection.";
    HTTP_REQ_TLS_HANDSHAKING "http_req_tls_handshaking" Trend Ms JourneysNoPoll "TLS handshake.";
    HTTP_REQ_SENDING "http_req_sending" Trend Ms JourneysNoPoll "First to last byte of the request.";
    HTTP_REQ_WAITING "http_req_waiting" Trend Ms JourneysNoPoll "Last byte of the request to the first of the response.";
    HTTP_REQ_RECEIVING "http_req_receiving" Trend Ms JourneysNoPoll "First to last byte of the response.";
    HTTP_CONN_RETRIES "http_conn_retries" Counter None All "Requests sent again because a reused connection was closed before any answer.";
    GRPC_REQS "grpc_reqs" Counter None All "gRPC calls with one message each way, polls included.";
    GRPC_REQ_FAILED "grpc_req_failed" Rate None Journeys "Share of calls and streams that did not end as expected.";
    GRPC_REQ_DURATION "grpc_req_duration" Trend Ms JourneysNoPoll "Service time of a call: sending + waiting + receiving.";
    GRPC_REQ_RESPONSE_TIME "grpc_req_response_time" Trend Ms JourneysNoPoll "Intended start of the iteration to the end of its first call.";
    GRPC_REQ_BLOCKED "grpc_req_blocked" Trend Ms JourneysNoPoll "Waiting for a connection, for the cap on calls in flight or for the server's stream limit, and looking the name up.";
    GRPC_REQS_WAITED_FOR_CAP "grpc_reqs_waited_for_cap" Counter None Journeys "Calls and streams that waited for max_in_flight.";
    GRPC_REQS_WAITED_FOR_STREAM "grpc_reqs_waited_for_stream" Counter None Journeys "Calls and streams that waited for the server's stream limit.";
    GRPC_STREAMS "grpc_streams" Counter None All "gRPC streams, of all kinds.";
    GRPC_STREAM_DURATION "grpc_stream_duration" Trend Ms JourneysNoPoll "From the start of a stream to its end.";
    GRPC_STREAMS_MSGS_SENT "grpc_streams_msgs_sent" Counter None All "Messages sent in streams.";
    GRPC_STREAMS_MSGS_RECEIVED "grpc_streams_msgs_received" Counter None All "Messages received in streams.";
    ITERATIONS "iterations" Counter None All "Iterations that ran to their end, failed ones included.";
    ITERATION_DURATION "iteration_duration" Trend Ms All "Actual start to the end of an iteration.";
    ITERATION_START_LAG "iteration_start_lag" Trend Ms All "Actual minus intended start.";
    ITERATION_RESPONSE_TIME "iteration_response_time" Trend Ms All "Intended start to the end of an iteration.";
    DISPATCH_LAG "dispatch_lag" Trend Ms All "The generator's own part of the start lag.";
    SOCKET_ERRORS "socket_errors" Counter None All "Connections that the local system refused: no ports, no file descriptors, no memory.";
    LOOP_LAG "loop_lag" Trend Ms All "How late a core's timer grid fired.";
    GC_PAUSE "gc_pause" Trend Ms All "How long a step of collecting a script VM's garbage kept its core.";
    DROPPED_ITERATIONS "dropped_iterations" Counter None All "Offered iterations that never started.";
    VUS "vus" Gauge None All "Virtual users that are running an iteration or waiting for one.";
    VUS_MAX "vus_max" Gauge None All "Virtual users that exist.";
    CHECKS "checks" Rate None Journeys "Share of checks that passed.";
    DATA_SENT "data_sent" Counter Bytes All "Bytes sent on the wire, headers included.";
    DATA_RECEIVED "data_received" Counter Bytes All "Bytes received on the wire, headers included.";
    GROUP_DURATION "group_duration" Trend Ms Journeys "Time spent in a group, pauses included.";
    GROUP_DURATION_BUSY "group_duration_busy" Trend Ms Journeys "Time spent in a group, pauses excluded.";
    SCRIPT_ERRORS "script_errors" Counter None All "Errors that a journey raised and did not catch.";
    INTERRUPTED_SCRIPTS "interrupted_scripts" Counter None All "Journeys stopped because they computed too long without a pause.";
}
