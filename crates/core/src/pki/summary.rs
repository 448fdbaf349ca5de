//! Summaries of Secrets as JSON, without keys and passwords. The layout is that of upstream's dumps, so that both can
//! be compared.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate},
};

use super::key::Key;

/// Returns the summary of one value of a Secret: PEM and kubeconfigs in detail, short text as it is, passwords and
/// other bytes by their length.
pub fn value(key: &str, bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with("-----BEGIN") {
        return blocks(bytes);
    }
    if text.contains("apiVersion") || text.contains("kind:") {
        return match serde_saphyr::from_str::<Value>(&text) {
            Ok(parsed) => json!({"rawLength": bytes.len(), "parsedYaml": summarize(parsed)}),
            Err(_) => json!(format!("<{} bytes>", bytes.len())),
        };
    }
    let secret = key.to_lowercase();
    if secret.contains("password") || secret.contains("token-secret") || secret == "token" {
        json!(format!("<{} chars>", bytes.len()))
    } else if bytes.len() < 400 && !text.contains(char::is_control) {
        json!(text)
    } else {
        json!(format!("<{} bytes>", bytes.len()))
    }
}

/// Replaces PEM, bare or in base64, anywhere in a document.
fn summarize(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, summarize(v))).collect(),
        Value::Array(items) => items.into_iter().map(summarize).collect(),
        Value::String(text) if text.trim_start().starts_with("-----BEGIN") => {
            blocks(text.as_bytes())
        }
        Value::String(text) if text.starts_with("LS0tLS1CRUdJTi") => {
            json!({"base64": blocks(&STANDARD.decode(text).unwrap_or_default())})
        }
        other => other,
    }
}

fn blocks(bytes: &[u8]) -> Value {
    let blocks = pem::parse_many(bytes).unwrap_or_default();
    blocks
        .iter()
        .map(|block| json!({block.tag(): block_summary(block)}))
        .collect()
}

fn block_summary(block: &pem::Pem) -> Value {
    let tag = block.tag();
    if tag == "CERTIFICATE" {
        return certificate(block.contents()).unwrap_or_else(|| json!("ERR unreadable"));
    }
    if tag.contains("PRIVATE") {
        return match Key::from_pem(pem::encode(block).as_bytes()) {
            Ok(key) => json!(key.kind()),
            Err(why) => json!(format!("ERR {why}")),
        };
    }
    if tag.contains("PUBLIC") {
        return json!(public(block.contents()));
    }
    json!("?")
}

fn public(spki: &[u8]) -> String {
    use x509_parser::x509::SubjectPublicKeyInfo;
    match SubjectPublicKeyInfo::from_der(spki) {
        Ok((_, info)) => public_kind(&info),
        Err(_) => "ERR unreadable".to_owned(),
    }
}

fn public_kind(info: &x509_parser::x509::SubjectPublicKeyInfo) -> String {
    use x509_parser::public_key::PublicKey;
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA-{}", key.key_size()),
        Ok(PublicKey::EC(_)) => curve(info).to_owned(),
        _ => "?".to_owned(),
    }
}

fn curve(info: &x509_parser::x509::SubjectPublicKeyInfo) -> &'static str {
    let parameters = info.algorithm.parameters.as_ref();
    let oid = parameters
        .and_then(|any| any.as_oid().ok())
        .map(|oid| oid.to_id_string());
    match oid.as_deref() {
        Some("1.2.840.10045.3.1.7") => "EC-secp256r1",
        Some("1.3.132.0.34") => "EC-secp384r1",
        Some("1.3.132.0.35") => "EC-secp521r1",
        _ => "EC-?",
    }
}

fn certificate(der: &[u8]) -> Option<Value> {
    let (_, x509) = X509Certificate::from_der(der).ok()?;
    let seconds = x509.validity().not_after.timestamp() - x509.validity().not_before.timestamp();
    let mut out = Map::new();
    out.insert("subject".to_owned(), name(x509.subject()).into());
    out.insert("issuer".to_owned(), name(x509.issuer()).into());
    out.insert("key".to_owned(), public_kind(x509.public_key()).into());
    out.insert("sigAlg".to_owned(), algorithm(&x509).into());
    out.insert("version".to_owned(), version(&x509).into());
    out.insert("serialBits".to_owned(), x509.serial.bits().into());
    let validity = format!("{}d{}s", seconds / 86_400, seconds % 86_400);
    out.insert("validity".to_owned(), validity.into());
    for extension in x509.extensions() {
        if let Some((key, value)) = extension_summary(extension.parsed_extension()) {
            let critical = if extension.critical { "(critical)" } else { "" };
            out.insert(format!("{key}{critical}"), value);
        }
    }
    Some(out.into())
}

fn version(x509: &X509Certificate) -> String {
    format!("v{}", x509.version().0.saturating_add(1))
}

/// Writes a name as RFC 4514 does, the last attribute first.
fn name(name: &x509_parser::x509::X509Name) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|a| {
            let key = match a.attr_type().to_id_string().as_str() {
                "2.5.4.3" => "CN".to_owned(),
                "2.5.4.6" => "C".to_owned(),
                "2.5.4.7" => "L".to_owned(),
                "2.5.4.8" => "ST".to_owned(),
                "2.5.4.9" => "STREET".to_owned(),
                "2.5.4.10" => "O".to_owned(),
                "2.5.4.11" => "OU".to_owned(),
                "0.9.2342.19200300.100.1.25" => "DC".to_owned(),
                other => other.to_owned(),
            };
            format!("{key}={}", a.as_str().unwrap_or("?"))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn algorithm(x509: &X509Certificate) -> String {
    match x509.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption".to_owned(),
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption".to_owned(),
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption".to_owned(),
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256".to_owned(),
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384".to_owned(),
        other => other.to_owned(),
    }
}

fn extension_summary(extension: &ParsedExtension) -> Option<(&'static str, Value)> {
    Some(match extension {
        ParsedExtension::KeyUsage(usage) => {
            let all = [
                (usage.digital_signature(), "digital_signature"),
                (usage.non_repudiation(), "content_commitment"),
                (usage.key_encipherment(), "key_encipherment"),
                (usage.data_encipherment(), "data_encipherment"),
                (usage.key_agreement(), "key_agreement"),
                (usage.key_cert_sign(), "key_cert_sign"),
                (usage.crl_sign(), "crl_sign"),
            ];
            (
                "keyUsage",
                all.into_iter()
                    .filter_map(|(has, name)| has.then_some(name))
                    .collect(),
            )
        }
        ParsedExtension::ExtendedKeyUsage(usage) => {
            let all = [
                (usage.client_auth, "clientAuth"),
                (usage.server_auth, "serverAuth"),
                (usage.code_signing, "codeSigning"),
            ];
            let names = all
                .into_iter()
                .filter_map(|(has, name)| has.then_some(name));
            ("extendedKeyUsage", names.collect())
        }
        ParsedExtension::BasicConstraints(constraints) => {
            let ca = if constraints.ca { "True" } else { "False" };
            let length = match constraints.path_len_constraint {
                Some(length) => length.to_string(),
                None => "None".to_owned(),
            };
            let text = format!("ca={ca} pathlen={length}");
            ("basicConstraints", json!(text))
        }
        ParsedExtension::SubjectKeyIdentifier(_) => ("subjectKeyIdentifier", json!("present")),
        ParsedExtension::AuthorityKeyIdentifier(_) => ("authorityKeyIdentifier", json!("present")),
        ParsedExtension::SubjectAlternativeName(names) => (
            "subjectAltName",
            names.general_names.iter().filter_map(alternative).collect(),
        ),
        _ => return None,
    })
}

fn alternative(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::IPAddress(bytes) => {
            let ip = <[u8; 4]>::try_from(*bytes)
                .map(std::net::IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from));
            ip.ok().map(|ip| format!("IP:{ip}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
