//! The messages of `EventService`, exactly those of `scripts/challenge/event.proto`, and their description for reflection.
//! What an event means is in `event`.

use std::collections::HashMap;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MessageOptions,
    MethodDescriptorProto, ServiceDescriptorProto,
};

/// `EventService.OnMessage`'s request.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::demo) struct Event {
    #[prost(string, tag = "1")]
    pub event_name: String,
    #[prost(string, tag = "2")]
    pub namespace: String,
    #[prost(string, tag = "3")]
    pub user_id: String,
    #[prost(map = "string, string", tag = "4")]
    pub payload: HashMap<String, String>,
}

/// `EventService.OnMessage`'s response.
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::demo) struct EventResponse {
    #[prost(bool, tag = "1")]
    pub success: bool,
    #[prost(string, tag = "2")]
    pub error: String,
}

/// The encoded descriptor set of the file, which has no package.
pub(super) fn descriptor_set() -> Vec<u8> {
    FileDescriptorSet { file: vec![file()] }.encode_to_vec()
}

fn file() -> FileDescriptorProto {
    let text = |name, number| field(name, number, Type::String);
    let entry = DescriptorProto {
        name: Some("PayloadEntry".to_owned()),
        field: vec![text("key", 1), text("value", 2)],
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        }),
        ..DescriptorProto::default()
    };
    let payload = FieldDescriptorProto {
        label: Some(Label::Repeated.into()),
        type_name: Some(".Event.PayloadEntry".to_owned()),
        ..field("payload", 4, Type::Message)
    };
    let event = DescriptorProto {
        name: Some("Event".to_owned()),
        field: vec![text("event_name", 1), text("namespace", 2), text("user_id", 3), payload],
        nested_type: vec![entry],
        ..DescriptorProto::default()
    };
    let response = DescriptorProto {
        name: Some("EventResponse".to_owned()),
        field: vec![field("success", 1, Type::Bool), text("error", 2)],
        ..DescriptorProto::default()
    };
    let method = MethodDescriptorProto {
        name: Some("OnMessage".to_owned()),
        input_type: Some(".Event".to_owned()),
        output_type: Some(".EventResponse".to_owned()),
        ..MethodDescriptorProto::default()
    };
    FileDescriptorProto {
        name: Some("event.proto".to_owned()),
        message_type: vec![event, response],
        service: vec![ServiceDescriptorProto {
            name: Some("EventService".to_owned()),
            method: vec![method],
            ..ServiceDescriptorProto::default()
        }],
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    let mut json = String::new();
    for part in name.split('_') {
        if json.is_empty() {
            json.push_str(part);
        } else {
            json.extend(part.chars().next().map(|first| first.to_ascii_uppercase()));
            json.extend(part.chars().skip(1));
        }
    }
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        json_name: Some(json),
        ..FieldDescriptorProto::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::grpc::Schema;

    #[test]
    fn the_description_is_that_of_the_proto_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/challenge");
        let schema = Schema::compile(&["event.proto".into()], &[folder.into()]).unwrap();
        let compiled = schema.pool().get_file_by_name("event.proto").unwrap();
        let mut compiled = compiled.file_descriptor_proto().clone();
        compiled.source_code_info = None;
        assert_eq!(compiled, file());
    }

    #[test]
    fn the_messages_have_the_fields_of_the_proto_file() {
        let event = Event {
            event_name: "e".to_owned(),
            namespace: "n".to_owned(),
            user_id: "u".to_owned(),
            payload: HashMap::from([("k".to_owned(), "v".to_owned())]),
        };
        // By hand: tag, length, bytes.
        let bytes = b"\x0a\x01e\x12\x01n\x1a\x01u\x22\x06\x0a\x01k\x12\x01v";
        assert_eq!(event.encode_to_vec(), bytes);
        assert_eq!(Event::decode(&bytes[..]).unwrap(), event);
        let response = EventResponse {
            success: true,
            error: "e".to_owned(),
        };
        assert_eq!(response.encode_to_vec(), b"\x08\x01\x12\x01e");
    }
}
