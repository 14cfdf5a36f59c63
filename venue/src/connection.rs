//! How to reach an exchange.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use postgres::{Client, NoTls};

/// Where to connect, as whom, and to which database.
#[derive(Clone, Debug)]
pub struct Connection {
    url: String,
    /// The same as arguments of psql, which people can read.
    arguments: Vec<String>,
}

impl Connection {
    /// A connection through the Unix socket in a folder.
    pub fn local(socket_directory: &Path, port: u16, user: &str, database: &str) -> Self {
        let host = socket_directory.to_string_lossy();
        let url = format!(
            "postgresql:///{}?host={}&port={port}&user={}",
            percent_encoded(database),
            percent_encoded(&host),
            percent_encoded(user),
        );
        let words = ["-h", &host, "-p", &port.to_string(), "-U", user, database];
        Self { url, arguments: words.map(str::to_owned).to_vec() }
    }

    /// The connection that a URL (`postgresql://…`) describes.
    pub fn from_url(url: &str) -> Self {
        Self { url: url.to_owned(), arguments: vec![url.to_owned()] }
    }

    /// The connection as a URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The connection as arguments of psql.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The line that connects with psql.
    pub fn psql_line(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
        let quoted = self.arguments.iter().map(|word| {
            if word.chars().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        });
        format!("psql {}", quoted.collect::<Vec<_>>().join(" "))
    }

    /// Connects.
    pub fn connect(&self) -> Result<Client> {
        Client::connect(&self.url, NoTls).with_context(|| format!("cannot connect to {}", self.url))
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_read_the_url_as_meant() {
        let connection = Connection::local(Path::new("/tmp/a b/s"), 54321, "postgres", "exchange");
        let config: postgres::Config = connection.url().parse().unwrap();
        let hosts = config.get_hosts();
        assert!(
            matches!(hosts, [postgres::config::Host::Unix(path)] if path == Path::new("/tmp/a b/s"))
        );
        assert_eq!(config.get_ports(), [54321]);
        assert_eq!(config.get_user(), Some("postgres"));
        assert_eq!(config.get_dbname(), Some("exchange"));
    }

    #[test]
    fn the_psql_line_can_be_pasted() {
        let line = Connection::local(Path::new("/tmp/a b"), 1, "postgres", "exchange").psql_line();
        assert_eq!(line, "psql -h '/tmp/a b' -p 1 -U postgres exchange");
    }
}
