//! One call with one message each way.
