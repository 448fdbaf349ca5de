//! Version of a server, and the oldest that the driver takes.

use std::fmt;

/// Product that speaks MySQL's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    /// MySQL, or what calls itself so.
    MySql,
    /// MariaDB, whose version says so.
    MariaDb,
}

/// Version of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) product: Product,
    number: (u32, u32),
    text: String,
}

impl Version {
    /// Parses the variable `version`, for example `10.11.19-MariaDB-0+deb12u1`. What cannot be read counts as 0.
    pub(super) fn parse(text: &str) -> Self {
        let product = if text.to_lowercase().contains("mariadb") {
            Product::MariaDb
        } else {
            Product::MySql
        };
        let mut numbers = text
            .split(|c: char| !c.is_ascii_digit())
            .map(|part| part.parse().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        Self {
            product,
            number: (next(), next()),
            text: text.to_owned(),
        }
    }

    /// Product and number for people, for example `MariaDB 10.11.19`.
    pub(super) fn product_and_number(&self) -> String {
        let product = match self.product {
            Product::MySql => "MySQL",
            Product::MariaDb => "MariaDB",
        };
        let number = self.text.split('-').next().unwrap_or_default();
        format!("{product} {number}")
    }

    /// The oldest version that will do, if this one is older. MySQL 8.0 is the first with roles, and MariaDB 10.6 the
    /// oldest whose privileges this driver has been read against.
    pub(super) fn too_old(&self) -> Option<&'static str> {
        let (least, words) = match self.product {
            Product::MySql => ((8, 0), "MySQL 8.0"),
            Product::MariaDb => ((10, 6), "MariaDB 10.6"),
        };
        (self.number < least).then_some(words)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_older_than_the_minimum_are_told_from_newer_ones() {
        for (text, product, least) in [
            ("10.11.19-MariaDB-0+deb12u1", Product::MariaDb, None),
            ("11.8.2-MariaDB", Product::MariaDb, None),
            (
                "10.5.29-MariaDB-log",
                Product::MariaDb,
                Some("MariaDB 10.6"),
            ),
            ("8.0.11", Product::MySql, None),
            ("9.4.0-commercial", Product::MySql, None),
            ("5.7.44-log", Product::MySql, Some("MySQL 8.0")),
            ("", Product::MySql, Some("MySQL 8.0")),
        ] {
            let version = Version::parse(text);
            assert_eq!(
                (version.product, version.too_old()),
                (product, least),
                "{text}"
            );
        }
    }

    #[test]
    fn a_version_is_shown_as_product_and_number() {
        for (text, shown) in [
            ("10.11.19-MariaDB-0+deb12u1", "MariaDB 10.11.19"),
            ("9.4.0-commercial", "MySQL 9.4.0"),
            ("8.0.11", "MySQL 8.0.11"),
        ] {
            assert_eq!(Version::parse(text).product_and_number(), shown);
        }
    }
}
