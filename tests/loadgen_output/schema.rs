//! JSON Schema (draft 2020-12), as much of it as the checked-in schema uses; a keyword beyond that is a
//! failure.
//!
//! The usual crate for it brings forty others, among them two that this project refuses.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What is wrong with `value`, and where; empty when it is valid.
pub(crate) fn faults(schema: &Value, value: &Value) -> Vec<String> {
    faults_and_met(schema, value, &mut Met::new())
}

/// The properties of a schema that have described something, by their addresses in it.
pub(crate) type Met = BTreeSet<*const Value>;

/// The same; adds the properties whose key the value has, and not as `null`.
pub(crate) fn faults_and_met(schema: &Value, value: &Value, met: &mut Met) -> Vec<String> {
    let mut faults = Vec::new();
    Check { root: schema, faults: &mut faults, met }.check(schema, value, "");
    faults
}

/// Every property of a schema, and where it is.
pub(crate) fn properties(schema: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    collect(schema, "", &mut found);
    found
}

fn collect<'a>(schema: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
    match schema {
        Value::Object(members) => {
            for (keyword, rule) in members {
                match keyword.as_str() {
                    "properties" => {
                        for (key, rule) in rule.as_object().unwrap() {
                            found.push((format!("{at}/{key}"), rule));
                            collect(rule, &format!("{at}/{key}"), found);
                        }
                    }
                    "$defs" => {
                        rule.as_object().unwrap().iter().for_each(|(key, rule)| collect(rule, key, found))
                    }
                    _ => collect(rule, at, found),
                }
            }
        }
        Value::Array(rules) => rules.iter().for_each(|rule| collect(rule, at, found)),
        _ => {}
    }
}

/// Whether a property says what it is, by itself or by the definition that it refers to.
pub(crate) fn is_described(schema: &Value, property: &Value) -> bool {
    let target = property["$ref"].as_str().and_then(|at| schema.pointer(at.strip_prefix('#')?));
    [Some(property), target].into_iter().flatten().any(|rule| rule["description"].is_string())
}

struct Check<'a> {
    root: &'a Value,
    faults: &'a mut Vec<String>,
    met: &'a mut Met,
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
                    Check { root: self.root, faults: &mut faults, met: self.met }.check(rule, value, at);
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
                            if !value.is_null() {
                                self.met.insert(std::ptr::from_ref(rule));
                            }
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
