//! Reads JSON objects field by field, so that every error names the path of the field at fault.

use serde_json::{Map, Value};

use crate::Error;

/// A JSON object and where it stands in the request.
#[derive(Clone)]
pub(crate) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Takes `value` as an object at `path`; the path of the whole request is empty.
    pub(crate) fn of(value: &'a Value, path: &str) -> Result<Self, Error> {
        let map = value.as_object().ok_or_else(|| {
            let field = if path.is_empty() { "body" } else { path };
            wrong(field, "a JSON object", value)
        })?;
        Ok(Fields {
            path: path.to_owned(),
            map,
        })
    }

    /// Returns the path of a field of this object.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Returns the names of all fields that are not null.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let map = self.map;
        map.iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, _)| name.as_str())
    }

    /// Refuses a field that is none of `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Error> {
        self.only_or(known, &[])
    }

    /// Refuses a field that is none of `known`, and passes over those of `passed`.
    pub(crate) fn only_or(&self, known: &[&str], passed: &[&str]) -> Result<(), Error> {
        let is_known = |name: &str| known.contains(&name) || passed.contains(&name);
        match self.names().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => {
                let shown: String = name.chars().take(64).collect();
                let message = format!("is no field here: expected {}", known.join(", "));
                Err(self.invalid(&shown, message))
            }
        }
    }

    /// Returns a field; null is as good as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Reads a text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        self.get(name)
            .map(|value| {
                value
                    .as_str()
                    .ok_or_else(|| wrong(&self.path(name), "a text", value))
            })
            .transpose()
    }

    /// Reads a list of texts and parses each; a text alone is a list of one.
    pub(crate) fn list<T: std::str::FromStr>(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Option<Vec<T>>, Error>
    where
        T::Err: std::fmt::Display,
    {
        let items = match self.get(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items.as_slice(),
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(other) => return Err(wrong(&self.path(name), "a list of texts", other)),
        };
        if items.len() > most {
            return Err(self.invalid(name, format!("must hold at most {most}")));
        }
        let parse = |(place, item): (usize, &Value)| {
            let field = format!("{}[{place}]", self.path(name));
            let text = item.as_str().ok_or_else(|| wrong(&field, "a text", item))?;
            text.parse()
                .map_err(|error: T::Err| Error::invalid(field, format!("is wrong: {error}")))
        };
        let parsed: Result<Vec<T>, Error> = items.iter().enumerate().map(parse).collect();
        parsed.map(Some)
    }

    /// Reads a text and parses it.
    pub(crate) fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Error>
    where
        T::Err: std::fmt::Display,
    {
        self.text(name)?
            .map(|text| {
                text.parse()
                    .map_err(|error: T::Err| self.invalid(name, format!("is wrong: {error}")))
            })
            .transpose()
    }

    /// Reads a number from `least` to `most`, both included.
    pub(crate) fn number(&self, name: &str, least: f64, most: f64) -> Result<Option<f64>, Error> {
        self.get(name)
            .map(|value| {
                let number = value
                    .as_f64()
                    .ok_or_else(|| wrong(&self.path(name), "a number", value))?;
                if (least..=most).contains(&number) {
                    Ok(number)
                } else {
                    Err(self.invalid(name, format!("must be between {least} and {most}")))
                }
            })
            .transpose()
    }

    /// Reads a whole number from `least` to `most`, both included.
    pub(crate) fn whole(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Error> {
        self.get(name)
            .map(|value| {
                let number = value
                    .as_u64()
                    .or_else(|| whole_float(value))
                    .ok_or_else(|| wrong(&self.path(name), "a whole number", value))?;
                if (least..=most).contains(&number) {
                    Ok(number)
                } else {
                    Err(self.invalid(name, format!("must be between {least} and {most}")))
                }
            })
            .transpose()
    }

    /// Reads true or false.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.get(name)
            .map(|value| {
                value
                    .as_bool()
                    .ok_or_else(|| wrong(&self.path(name), "true or false", value))
            })
            .transpose()
    }

    /// Reads an object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, Error> {
        self.get(name)
            .map(|value| Fields::of(value, &self.path(name)))
            .transpose()
    }

    /// Makes the error of a field of this object.
    pub(crate) fn invalid(&self, name: &str, message: impl Into<String>) -> Error {
        Error::invalid(self.path(name), message)
    }
}

/// JavaScript writes 2000 as 2000.0 in some serialisers; that is still a whole number.
fn whole_float(value: &Value) -> Option<u64> {
    let number = value.as_f64()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is whole and within 0..=2^53"
    )]
    (number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number))
        .then_some(number as u64)
}

fn wrong(field: &str, expected: &str, value: &Value) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Error::invalid(field, format!("must be {expected}, not {found}"))
}
