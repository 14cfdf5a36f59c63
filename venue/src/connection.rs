//! How to reach an exchange.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
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

    /// The connection as the lines of a service in `pg_service.conf`.
    pub fn parameters(&self) -> Result<String> {
        use postgres::config::{Host, SslMode};
        let config: postgres::Config =
            self.url.parse().with_context(|| format!("cannot make sense of {}", self.url))?;
        let hosts = config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.to_string_lossy().into_owned(),
        });
        let ports = config.get_ports().iter().map(u16::to_string);
        let list = |values: Vec<String>| (!values.is_empty()).then(|| values.join(","));
        let password =
            config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let ssl_mode = match config.get_ssl_mode() {
            SslMode::Disable => Some("disable"),
            SslMode::Require => Some("require"),
            _ => None,
        };
        let mut lines = String::new();
        for (name, value) in [
            ("host", list(hosts.collect())),
            ("port", list(ports.collect())),
            ("user", config.get_user().map(str::to_owned)),
            ("password", password),
            ("dbname", config.get_dbname().map(str::to_owned)),
            ("sslmode", ssl_mode.map(str::to_owned)),
        ] {
            if let Some(value) = value {
                ensure!(!value.contains('\n'), "the {name} of {} has a line break", self.url);
                let _ = writeln!(lines, "{name}={value}");
            }
        }
        Ok(lines)
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
    fn a_service_says_the_same_as_the_url() {
        let local = Connection::local(Path::new("/tmp/a b"), 54321, "postgres", "exchange");
        let lines = "host=/tmp/a b\nport=54321\nuser=postgres\ndbname=exchange\n";
        assert_eq!(local.parameters().unwrap(), lines);
        let url = "postgresql://reporter:se%20cret@one:1,two:2/exchange?sslmode=require";
        let lines = "host=one,two\nport=1,2\nuser=reporter\npassword=se cret\ndbname=exchange\nsslmode=require\n";
        assert_eq!(Connection::from_url(url).parameters().unwrap(), lines);
        assert!(Connection::from_url("nonsense").parameters().is_err());
    }

    #[test]
    fn the_psql_line_can_be_pasted() {
        let line = Connection::local(Path::new("/tmp/a b"), 1, "postgres", "exchange").psql_line();
        assert_eq!(line, "psql -h '/tmp/a b' -p 1 -U postgres exchange");
    }
}
