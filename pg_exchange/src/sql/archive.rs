//! Files of archived days: compressed, on disk for certain, and with what tells that they are whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum};
use sha2::{Digest, Sha256};

use super::call::Call;
use crate::datum::text;
use crate::errors::{raise, required};

/// So much is read at a time; a cancelled call ends after it.
const CHUNK: usize = 1 << 20;

/// `exchange.compress_file`
pub fn compress_file(call: Call) -> Datum {
    let path = PathBuf::from(required(call.argument::<&str>(0), "path"));
    check_privilege();
    if !path.is_absolute() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_NAME,
            "the path of a file must be absolute",
            format!("It is {}.", path.display()),
            "Begin it with a slash.",
        );
    }
    let mut compressed = path.clone().into_os_string();
    compressed.push(".gz");
    let (bytes, digest) =
        compress(&path, Path::new(&compressed)).unwrap_or_else(|error| raise_io(&path, &error));
    let mut rows = call.rows();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    rows.add([
        Some(text(&compressed.to_string_lossy())),
        Some(Datum::from(bytes as i64)),
        Some(text(&digest)),
    ]);
    call.null()
}

/// As for COPY TO a file.
fn check_privilege() {
    // SAFETY: looks at the roles of the current user.
    let is_allowed = unsafe {
        let role = pg_sys::Oid::from(pg_sys::ROLE_PG_WRITE_SERVER_FILES);
        pg_sys::has_privs_of_role(pg_sys::GetUserId(), role)
    };
    if !is_allowed {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            "permission denied to write files of the server",
            "That takes the privileges of the role pg_write_server_files.",
            "Have it granted: GRANT pg_write_server_files TO …;",
        );
    }
}

/// Compresses a file into another, which is on disk when this returns, and removes it. How many bytes
/// the other has, and its SHA-256.
fn compress(path: &Path, into: &Path) -> io::Result<(u64, [u8; 32])> {
    let mut source = File::open(path)?;
    let target =
        Hashed { target: BufWriter::new(File::create(into)?), hash: Sha256::new(), bytes: 0 };
    let mut encoder = GzEncoder::new(target, Compression::default());
    let mut chunk = vec![0; CHUNK];
    loop {
        pgrx::check_for_interrupts!();
        let length = source.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        encoder.write_all(&chunk[..length])?;
    }
    let Hashed { target, hash, bytes } = encoder.finish()?;
    target.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::remove_file(path)?;
    // The name, too.
    let folder = into.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()?;
    Ok((bytes, hash.finalize().into()))
}

/// What goes through it is counted and hashed.
struct Hashed<W> {
    target: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = self.target.write(buffer)?;
        self.hash.update(&buffer[..length]);
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

fn raise_io(path: &Path, error: &io::Error) -> ! {
    let code = match error.kind() {
        io::ErrorKind::NotFound => PgSqlErrorCode::ERRCODE_UNDEFINED_FILE,
        io::ErrorKind::PermissionDenied => PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
        io::ErrorKind::StorageFull => PgSqlErrorCode::ERRCODE_DISK_FULL,
        _ => PgSqlErrorCode::ERRCODE_IO_ERROR,
    };
    raise(
        code,
        "a file could not be compressed",
        format!("{}: {error}.", path.display()),
        "The file system of the server must let it write there, and have room.",
    )
}
