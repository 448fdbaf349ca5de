//! Reference page of a definition: a table of fields for each object of the schema that has descriptions.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Field of a template whose content is that of control planes, and the page that has it.
const SHARED: (&str, &str, &str) = (
    "kamajicontrolplanetemplate.md",
    "spec.template.spec",
    "kamajicontrolplane.md#spec",
);

/// File name and text of every page.
pub fn all() -> Vec<(String, String)> {
    let definitions = kamaji_api::crd::all().into_iter();
    definitions
        .map(|(_, definition)| {
            let kind = text(&definition["spec"]["names"]["kind"]);
            let file = format!("{}.md", kind.to_lowercase());
            let page = page(&definition, &file);
            (file, page)
        })
        .collect()
}

fn page(definition: &Value, file: &str) -> String {
    let spec = &definition["spec"];
    let versions: Vec<&Value> = spec["versions"].as_array().into_iter().flatten().collect();
    let stored = versions.iter().find(|version| version["storage"] == true);
    let Some(stored) = stored else {
        return String::new();
    };
    let schema = &stored["schema"]["openAPIV3Schema"];
    let mut page = format!("# {}\n\n", text(&spec["names"]["kind"]));
    let _ = writeln!(
        page,
        "{}\n\nGenerated from the types by `make crds`; do not edit.\n",
        text(&schema["description"])
    );
    let _ = writeln!(
        page,
        "| | |\n|---|---|\n| apiVersion | `{}/{}` |\n| scope | {} |",
        text(&spec["group"]),
        text(&stored["name"]),
        text(&spec["scope"]),
    );
    let short = names(&spec["names"]["shortNames"]);
    if !short.is_empty() {
        let _ = writeln!(page, "| short names | {short} |");
    }
    let others: Vec<&str> = versions
        .iter()
        .map(|version| text(&version["name"]))
        .filter(|name| *name != text(&stored["name"]))
        .collect();
    if !others.is_empty() {
        let _ = writeln!(page, "| also served | {} |", others.join(", "));
    }
    for part in ["spec", "status"] {
        let mut sections = Sections {
            file,
            page: &mut page,
        };
        sections.write(part, &schema["properties"][part]);
    }
    page
}

/// Sections of a page: one for each object, parents before their children.
struct Sections<'a> {
    file: &'a str,
    page: &'a mut String,
}

impl Sections<'_> {
    /// Writes the section of the object at `path`, and those of the objects in it.
    fn write(&mut self, path: &str, schema: &Value) {
        let Some(fields) = described(schema) else {
            return;
        };
        let _ = write!(self.page, "\n## {path}\n\n");
        if let Some(words) = schema["description"].as_str() {
            let _ = write!(self.page, "{}\n\n", cell(words));
        }
        self.page
            .push_str("| field | type | default | description |\n|---|---|---|---|\n");
        let required = schema["required"].as_array();
        for (name, field) in fields {
            let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
            let _ = writeln!(
                self.page,
                "| `{name}` | {} | {} | {} |",
                self.type_of(&format!("{path}.{name}"), field),
                default(field, is_required),
                cell(text(&field["description"])),
            );
        }
        self.rules(schema);
        for (name, field) in fields {
            let inner = format!("{path}.{name}");
            if !self.is_shared(&inner) {
                self.write(&inner, content(field));
            }
        }
    }

    /// Writes what the API server refuses beyond types, once for each message.
    fn rules(&mut self, schema: &Value) {
        let mut known: Vec<&str> = Vec::new();
        let rules = schema["x-kubernetes-validations"].as_array();
        for rule in rules.into_iter().flatten() {
            let message = text(&rule["message"]);
            if message.is_empty() || known.contains(&message) {
                continue;
            }
            if known.is_empty() {
                self.page.push_str("\nRefused with these words:\n\n");
            }
            let _ = writeln!(self.page, "- {}", cell(message));
            known.push(message);
        }
    }

    fn is_shared(&self, path: &str) -> bool {
        (self.file, path) == (SHARED.0, SHARED.1)
    }

    /// Type of the field at `path`; objects with a section of their own are links.
    fn type_of(&self, path: &str, field: &Value) -> String {
        let inner = content(field);
        let plain = match text(&inner["type"]) {
            "" if inner["x-kubernetes-int-or-string"] == true => "integer or string".to_owned(),
            "" => "any".to_owned(),
            other => other.to_owned(),
        };
        let named = if self.is_shared(path) {
            format!("[object]({})", SHARED.2)
        } else if described(inner).is_some() {
            format!("[{plain}](#{})", anchor(path))
        } else {
            values(inner).unwrap_or(plain)
        };
        match (
            text(&field["type"]),
            field["additionalProperties"].is_object(),
        ) {
            ("array", _) => format!("list of {named}"),
            (_, true) => format!("map to {named}"),
            _ => named,
        }
    }
}

/// Schema of the items of a list or map, else the schema itself.
fn content(field: &Value) -> &Value {
    [&field["items"], &field["additionalProperties"]]
        .into_iter()
        .find(|inner| inner.is_object())
        .unwrap_or(field)
}

/// Fields of an object of ours. `None` for embedded types of Kubernetes, which have no descriptions.
fn described(schema: &Value) -> Option<&Map<String, Value>> {
    let fields = schema["properties"].as_object()?;
    let has_words = fields
        .values()
        .any(|field| field["description"].is_string());
    has_words.then_some(fields)
}

/// Values of an enumeration.
fn values(schema: &Value) -> Option<String> {
    let all = schema["enum"].as_array()?;
    let shown: Vec<String> = all
        .iter()
        .filter_map(Value::as_str)
        .map(|value| format!("`{value}`"))
        .collect();
    Some(shown.join(", "))
}

fn default(field: &Value, is_required: bool) -> String {
    match field.get("default") {
        Some(value) => format!("`{}`", short(&value.to_string()).replace('|', "\\|")),
        None if is_required => "required".to_owned(),
        None => String::new(),
    }
}

/// Defaults of many items are cut; the description has them in words.
fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// Anchor of a heading, as GitHub and mdBook make it.
fn anchor(path: &str) -> String {
    path.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase()
}

/// Text on one line that breaks no table.
fn cell(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('|', "\\|").replace('<', "&lt;")
}

fn names(value: &Value) -> String {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
