//! Shapes of bodies that are no plain structs: the Segment calls, which are read in one walk, conditions, journeys, declarations of
//! attributes and identity kinds. Put into the document as JSON; tests hold them against what is taken.

use serde_json::{Value, json};

/// The JSON Schema of conditions, which the model's tests hold against the types.
const CONDITION: &str = include_str!("../../../../docs/condition.schema.json");

/// Puts the shapes into a document, and the operations' bodies on them.
pub(super) fn complete(document: &mut Value) {
    let mut shapes = conditions();
    shapes.extend(calls());
    shapes.extend(journey());
    shapes.extend(declarations());
    shapes.extend(object_types());
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.extend(shapes);
    }
    for (path, method, shape) in [
        ("/v1/identify", "post", "Identify"),
        ("/v1/track", "post", "Track"),
        ("/v1/page", "post", "Page"),
        ("/v1/screen", "post", "Page"),
        ("/v1/group", "post", "Group"),
        ("/v1/alias", "post", "Alias"),
        ("/v1/batch", "post", "Batch"),
        ("/v1/import", "post", "Batch"),
        ("/api/v1/journeys/{name}", "put", "JourneyDefinition"),
        ("/api/v1/attributes/{name}", "put", "AttributeDeclaration"),
        ("/api/v1/identity-kinds", "put", "IdentityKinds"),
        ("/api/v1/object-types/{name}", "put", "ObjectTypeDeclaration"),
    ] {
        let body = json!({ "required": true, "content": { "application/json": { "schema": of(shape) } } });
        document["paths"][path][method]["requestBody"] = body;
    }
    open_objects(document);
    for name in ["NewSegment", "PreviewRequest", "WhyRequest"] {
        document["components"]["schemas"][name]["properties"]["condition"] = of("Condition");
    }
}

/// An object of which nothing more is said holds anything; makers of clients take it for an empty one.
fn open_objects(shape: &mut Value) {
    match shape {
        Value::Object(members) => {
            let is_bare = members.get("type").is_some_and(|of| of == "object" || of == &json!(["object", "null"]))
                && ["properties", "additionalProperties", "allOf", "oneOf", "anyOf", "$ref"]
                    .iter()
                    .all(|name| !members.contains_key(*name));
            if is_bare {
                members.insert("additionalProperties".to_owned(), json!(true));
            }
            members.values_mut().for_each(open_objects);
        }
        Value::Array(items) => items.iter_mut().for_each(open_objects),
        _ => {}
    }
}

fn of(shape: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{shape}") })
}

fn conditions() -> serde_json::Map<String, Value> {
    let name = |of: &str| if of == "condition" { "Condition".to_owned() } else { format!("Condition.{of}") };
    let text = CONDITION.replace("#/$defs/condition\"", "#/components/schemas/Condition\"");
    let text = text.replace("#/$defs/", "#/components/schemas/Condition.");
    let schema: Value = serde_json::from_str(&text).expect("the schema in the documentation is JSON");
    let mut parts = schema["$defs"].as_object().cloned().unwrap_or_default();
    parts.values_mut().for_each(without_defaults);
    parts.into_iter().map(|(of, shape)| (name(&of), shape)).collect()
}

/// What has a default may be left out; makers of clients take it for what is always there.
fn without_defaults(shape: &mut Value) {
    match shape {
        Value::Object(members) => {
            members.remove("default");
            members.values_mut().for_each(without_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(without_defaults),
        _ => {}
    }
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn calls() -> serde_json::Map<String, Value> {
    let time = json!({
        "type": ["string", "number"], "description": "RFC 3339, or seconds or milliseconds since 1970.",
        "examples": ["2026-01-31T12:00:00Z"],
    });
    let map = |description: &str| json!({ "type": "object", "additionalProperties": true, "description": description });
    let id = |description: &str| json!({ "type": ["string", "number"], "description": description });
    let common = json!({
        "userId": id("The known customer's id. An event needs this or `anonymousId`."),
        "anonymousId": id("The visitor's id."),
        "messageId": text("The event's id. A second event with the same id changes nothing. Default: the hub makes one."),
        "timestamp": time, "sentAt": time,
        "context": map("What the client says about itself."),
        "identities": {
            "type": "array", "description": "More identities. Needs a server's key.",
            "items": { "type": "object", "required": ["kind", "value"],
                       "properties": { "kind": { "type": "string" }, "value": { "type": "string" } } },
        },
    });
    let consents = json!({
        "type": "object", "description": "By purpose, or `purpose/channel`. A page's key can only deny.",
        "additionalProperties": {
            "type": ["object", "null"], "required": ["state"],
            "properties": {
                "state": { "type": "string", "enum": ["granted", "denied"] },
                "source": { "type": "string" }, "text_version": { "type": "string" },
            },
        },
    });
    let tags = json!({
        "type": "object", "description": "`true` sets a tag, `false` removes it. Needs a server's key.",
        "additionalProperties": { "type": ["boolean", "null"] },
    });
    let call = |own: Value, required: &[&str], example: Value| {
        let mut properties = own.as_object().cloned().unwrap_or_default();
        properties.extend(common.as_object().cloned().unwrap_or_default());
        json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": true,
            "examples": [example],
        })
    };
    let shapes = [
        (
            "Identify",
            call(
                json!({ "traits": map("Values that become attributes; `null` removes one."), "consents": consents, "tags": tags }),
                &[],
                json!({ "userId": "42", "traits": { "email": "ada@example.com", "plan": "pro" } }),
            ),
        ),
        (
            "Track",
            call(
                json!({ "event": text("The event's name: what the customer did."), "properties": map("More about the event.") }),
                &["event"],
                json!({ "userId": "42", "event": "Order Completed", "properties": { "total": 29.33 } }),
            ),
        ),
        (
            "Page",
            call(
                json!({ "name": text("What the customer looked at."), "properties": map("More about the event.") }),
                &[],
                json!({ "anonymousId": "v-1", "name": "Pricing" }),
            ),
        ),
        (
            "Group",
            call(
                json!({ "groupId": id("The group that the customer belongs to."), "traits": map("Values of the group.") }),
                &["groupId"],
                json!({ "userId": "42", "groupId": "acme" }),
            ),
        ),
        (
            "Alias",
            call(
                json!({ "previousId": id("Who they were before.") }),
                &["previousId"],
                json!({ "userId": "42", "previousId": "v-1" }),
            ),
        ),
    ];
    let kinds = [
        ("identify", "Identify"),
        ("track", "Track"),
        ("page", "Page"),
        ("screen", "Page"),
        ("group", "Group"),
        ("alias", "Alias"),
    ];
    let items: Vec<Value> = kinds
        .map(|(kind, shape)| {
            let kind = json!({ "type": "object", "required": ["type"], "properties": { "type": { "type": "string", "enum": [kind] } } });
            json!({ "allOf": [of(shape), kind] })
        })
        .into();
    let batch = json!({
        "type": "object", "required": ["batch"],
        "properties": { "batch": { "type": "array", "items": { "oneOf": items } }, "sentAt": time },
        "examples": [{ "batch": [{ "type": "track", "userId": "42", "event": "Order Completed" }] }],
    });
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).chain([("Batch".to_owned(), batch)]).collect()
}

fn journey() -> serde_json::Map<String, Value> {
    let node = |kind: &str, own: Value, required: &[&str]| {
        let mut properties = own.as_object().cloned().unwrap_or_default();
        properties.insert("type".into(), json!({ "type": "string", "enum": [kind] }));
        let required: Vec<&str> = ["type"].iter().chain(required).copied().collect();
        json!({ "type": "object", "properties": properties, "required": required })
    };
    let next = || text("The next node.");
    let values = || json!({ "type": "object", "additionalProperties": true, "description": "Strings are templates." });
    let tests = || json!({ "type": "array", "items": { "type": "object", "additionalProperties": true } });
    let nodes = [
        node(
            "wait",
            json!({
                "duration": text("Like `60d`, `2h`, `30s`."), "next": next(),
                "for": { "type": "object", "required": ["event"], "properties": {
                    "event": { "type": "string" }, "where": tests(), "match": tests(),
                } },
                "timeout": text("Like `60d`."), "on_event": next(), "on_timeout": next(),
            }),
            &[],
        ),
        node(
            "branch",
            json!({
                "branches": { "type": "array", "items": { "type": "object", "required": ["if", "next"],
                    "properties": { "if": of("Condition"), "next": next() } } },
                "else": next(),
            }),
            &["branches", "else"],
        ),
        node("update", json!({ "attributes": values(), "tags": values(), "next": next() }), &["next"]),
        node(
            "object",
            json!({
                "action": { "type": "string", "enum": ["create"] }, "kind": { "type": "string" }, "fields": values(),
                "as": text("The name of the object in later templates."), "next": next(),
            }),
            &["action", "kind", "next"],
        ),
        node(
            "send",
            json!({
                "channel": { "type": "string" }, "purpose": text("What the message is for. `transactional` needs no consent."),
                "content": values(), "next": next(),
            }),
            &["channel", "content", "next"],
        ),
        node(
            "step",
            json!({
                "plugin": { "type": "string" }, "step": text("The name of one of its steps."), "with": values(),
                "outlets": { "type": "object", "additionalProperties": { "type": "string" },
                    "description": "The node behind each outlet that the step declares." },
            }),
            &["plugin", "step", "outlets"],
        ),
        node("exit", json!({ "reason": { "type": "string" } }), &[]),
    ];
    let definition = json!({
        "type": "object", "required": ["trigger", "start", "nodes"],
        "description": "A draft may have faults: `check` and `publish` list them.",
        "properties": {
            "trigger": { "oneOf": [
                { "type": "object", "required": ["event"],
                  "properties": { "event": { "type": "string" }, "where": tests(), "condition": of("Condition") } },
                { "type": "object", "required": ["segment", "on"], "properties": {
                    "segment": { "type": "string" }, "on": { "type": "string", "enum": ["entered", "left"] },
                    "condition": of("Condition") } },
            ] },
            "reentry": { "type": "string", "enum": ["never", "after-exit", "always"], "description": "Default `never`." },
            "start": text("The first node."),
            "nodes": { "type": "object", "additionalProperties": of("JourneyNode") },
        },
        "examples": [{
            "trigger": { "event": "Order Completed" }, "start": "mail",
            "nodes": {
                "mail": { "type": "send", "channel": "webhook", "purpose": "marketing", "content": { "text": "Thank you" }, "next": "end" },
                "end": { "type": "exit" },
            },
        }],
    });
    let shapes = [("JourneyDefinition", definition), ("JourneyNode", json!({ "oneOf": nodes }))];
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect()
}

fn declarations() -> serde_json::Map<String, Value> {
    let attribute = json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "type": { "type": "string", "enum": ["text", "number", "integer", "boolean", "timestamp", "date", "list", "object"] },
            "merge": { "type": "string", "enum": ["newest", "oldest", "sum", "non-empty", "min", "max"], "description": "Which value a merged customer gets (default `newest`)." },
            "pages": { "type": "string", "enum": ["open", "closed"] },
            "description": { "type": "string" },
        },
        "examples": [{ "type": "integer", "merge": "sum" }],
    });
    let kind = json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "limit": { "type": ["integer", "null"], "minimum": 0, "description": "How many identities of this kind a customer may have." },
            "priority": { "type": "integer" }, "anonymous": { "type": "boolean" },
            "format": { "type": "string", "enum": ["any", "email", "phone"] },
            "max_length": { "type": "integer", "minimum": 1 },
            "block": { "type": "array", "items": { "type": "string" } },
            "calling_code": { "type": "string" },
            "trait": text("The trait of an `identify` that gives this identity."),
        },
    });
    let kinds = json!({
        "type": "object", "required": ["kinds"], "additionalProperties": false,
        "properties": {
            "kinds": { "type": "object", "additionalProperties": of("IdentityKind") },
            "matches": { "type": "object", "properties": { "accept_from": { "type": ["number", "null"], "minimum": 0, "maximum": 1 } } },
            "erasure": { "type": "object", "properties": { "suppress": { "type": "boolean" } } },
        },
        "examples": [{ "kinds": { "crm_id": { "limit": 1, "priority": 80 } } }],
    });
    let shapes = [("AttributeDeclaration", attribute), ("IdentityKind", kind), ("IdentityKinds", kinds)];
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect()
}

fn object_types() -> serde_json::Map<String, Value> {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": "By language: `en`, `zh`." });
    let words = json!({ "type": "string", "enum": ["boolean", "integer", "number", "text", "timestamp", "customer"] });
    let named = |name: &str, of: Value| json!({ "type": "object", "required": [name], "additionalProperties": false, "properties": { name: of } });
    let kinds = [
        words,
        named("decimal", json!({ "type": "integer", "minimum": 0, "maximum": 18 })),
        named("enum", json!({ "type": "array", "items": { "type": "string" } })),
        named("object", text("The name of an object type, of which the value is a key.")),
    ];
    let count = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    let field = json!({
        "type": "object", "required": ["name", "type"], "additionalProperties": false,
        "properties": {
            "name": text("At most 64 characters `a-z`, `0-9` and `_`, the first of them a letter."),
            "type": { "oneOf": kinds }, "label": texts,
            "required": { "type": "boolean" }, "unique": { "type": "boolean" },
            "list": { "type": "boolean", "description": "Whether it has several values, in an array." },
            "default": { "description": "The value of an object that is created without one." },
            "min": { "type": ["number", "string"], "description": "Of a number, a decimal or a timestamp." },
            "max": { "type": ["number", "string"] },
            "min_length": count("Characters of a text."), "max_length": count("Characters of a text."),
            "max_items": count("Values of a list."),
            "html": { "type": "boolean", "description": "A text that is HTML: what templates put into it is escaped." },
            "on_delete": { "type": "string", "enum": ["refuse", "clear"], "description": "What the deletion of the object that it leads to means (default `refuse`)." },
        },
    });
    let declaration = json!({
        "type": "object", "required": ["fields"], "additionalProperties": false,
        "properties": {
            "title": texts, "description": texts,
            "fields": { "type": "array", "minItems": 1, "maxItems": 100, "items": of("ObjectTypeField") },
            "owner": text("The field of type `customer` that tells whose an object is."),
            "key": text("The field whose value is an object's key; without one the hub gives each object a key."),
            "migrate": { "type": "object", "additionalProperties": of("FieldMigration"), "description": "How objects of the version before become objects of this one, by field." },
        },
        "examples": [{
            "title": { "en": "Store", "zh": "门店" }, "key": "code", "owner": "manager",
            "fields": [
                { "name": "code", "type": "text", "required": true, "label": { "en": "Code", "zh": "编号" } },
                { "name": "manager", "type": "customer" },
                { "name": "status", "type": { "enum": ["open", "closed"] }, "default": "open" },
            ],
        }],
    });
    let migration = json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "from": text("The field of the version before that had the values."),
            "map": { "type": "object", "description": "The new value, by the text of the one before." },
            "convert": { "type": "boolean", "description": "Whether values become of the new type, where nothing is lost." },
            "default": { "description": "For objects without a value." },
            "drop": { "type": "boolean", "description": "The field is gone, with its values." },
        },
    });
    let shapes = [("FieldMigration", migration), ("ObjectTypeField", field), ("ObjectTypeDeclaration", declaration)];
    shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Condition;
    use openhub_model::attribute::Declaration;
    use openhub_model::identity::Policy;
    use openhub_model::object_type::Declaration as ObjectType;

    /// Every example is taken by what reads it.
    #[test]
    fn the_examples_are_what_is_taken() {
        let example = |shapes: &serde_json::Map<String, Value>, name: &str| shapes[name]["examples"][0].clone();
        let declared = declarations();
        serde_json::from_value::<Declaration>(example(&declared, "AttributeDeclaration")).expect("a declaration");
        let object_type = serde_json::from_value::<ObjectType>(example(&object_types(), "ObjectTypeDeclaration"));
        assert_eq!(object_type.expect("an object type").faults(), []);
        serde_json::from_value::<Policy>(example(&declared, "IdentityKinds")).expect("identity kinds");
        openhub_journey::parse(&example(&journey(), "JourneyDefinition")).expect("a journey");
        let of_condition = conditions();
        assert!(of_condition.contains_key("Condition") && of_condition.contains_key("Condition.event"));
        serde_json::from_value::<Condition>(json!({ "tag": "vip" })).expect("a condition");
    }

    /// Whatever a shape points at is there.
    #[test]
    fn no_shape_points_at_nothing() {
        let mut document = json!({ "paths": {}, "components": { "schemas": {} } });
        complete(&mut document);
        let schemas = &document["components"]["schemas"];
        let text = document.to_string();
        let names = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        let names: std::collections::BTreeSet<&str> = names.collect();
        assert!(names.len() > 15);
        names.into_iter().for_each(|name| assert!(schemas[name].is_object(), "{name}"));
    }
}
