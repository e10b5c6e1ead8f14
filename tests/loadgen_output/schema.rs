//! JSON Schema (draft 2020-12), as much of it as the checked-in schema uses; a keyword beyond that is a
//! failure.
//!
//! The usual crate for it brings forty others, among them two that this project refuses.

use serde_json::{Map, Value};

/// What is wrong with `value`, and where; empty when it is valid.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    Check { root: schema, faults: &mut faults }.check(schema, value, "");
    faults
}

struct Check<'a> {
    root: &'a Value,
    faults: &'a mut Vec<String>,
}

impl Check<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = schema.as_object().expect("a schema is an object here");
        for (keyword, rule) in schema {
            let is_held = match keyword.as_str() {
                // Annotations.
                "$schema" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    let target = self.root.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
                    self.check(target, value, at);
                    true
                }
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|name| is_type(name, value)),
                    name => is_type(name, value),
                },
                "const" => value == rule,
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => number(value).is_none_or(|value| value >= number(rule).unwrap()),
                "maximum" => number(value).is_none_or(|value| value <= number(rule).unwrap()),
                "exclusiveMinimum" => number(value).is_none_or(|value| value > number(rule).unwrap()),
                "anyOf" => rule.as_array().unwrap().iter().any(|rule| {
                    let mut faults = Vec::new();
                    Check { root: self.root, faults: &mut faults }.check(rule, value, at);
                    faults.is_empty()
                }),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}/{index}"));
                    }
                    true
                }
                "required" => value.as_object().is_none_or(|value| {
                    rule.as_array().unwrap().iter().all(|key| value.contains_key(key.as_str().unwrap()))
                }),
                "properties" => {
                    for (key, rule) in rule.as_object().unwrap() {
                        if let Some(value) = value.get(key) {
                            self.check(rule, value, &format!("{at}/{key}"));
                        }
                    }
                    true
                }
                "additionalProperties" if rule == &Value::Bool(false) => has_no_others(schema, value),
                "additionalProperties" => {
                    assert!(schema.get("properties").is_none(), "this test knows only all or none of them");
                    for (key, value) in value.as_object().into_iter().flatten() {
                        self.check(rule, value, &format!("{at}/{key}"));
                    }
                    true
                }
                unknown => panic!("this test knows no {unknown}"),
            };
            if !is_held {
                self.faults.push(format!("{at}: {keyword} {rule} is not held by {value}"));
            }
        }
    }
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("no type {unknown}"),
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64()
}

fn has_no_others(schema: &Map<String, Value>, value: &Value) -> bool {
    let known = schema["properties"].as_object().unwrap();
    value.as_object().is_none_or(|value| value.keys().all(|key| known.contains_key(key)))
}
