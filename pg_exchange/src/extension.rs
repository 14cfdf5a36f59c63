//! The extension as a database has it, and whether it is the one that this library serves.

use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::{self, Datum, Oid};

use crate::datum::FromDatum;
use crate::errors::raise;

/// The version of this library, and of the extension that it serves.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a database has.
pub struct Extension {
    /// Its OID.
    pub oid: Oid,
    version: String,
}

/// The extension of this database, if there is one. In a transaction.
pub fn find() -> Option<Extension> {
    let mut key = pg_sys::ScanKeyData::default();
    // SAFETY: in a transaction; the key is of the column that the index is over, the tuple is
    // looked at while the scan stands on it, and has as many columns as its catalog.
    unsafe {
        let lock = pg_sys::AccessShareLock as i32;
        let catalog = pg_sys::table_open(pg_sys::ExtensionRelationId, lock);
        pg_sys::ScanKeyInit(
            &raw mut key,
            pg_sys::Anum_pg_extension_extname as i16,
            pg_sys::BTEqualStrategyNumber as u16,
            pg_sys::F_NAMEEQ.into(),
            Datum::from(c"pg_exchange".as_ptr()),
        );
        // Without a snapshot: what is committed now, whatever the transaction has seen.
        let scan = pg_sys::systable_beginscan(
            catalog,
            pg_sys::ExtensionNameIndexId.into(),
            true,
            std::ptr::null_mut(),
            1,
            &raw mut key,
        );
        let tuple = pg_sys::systable_getnext(scan);
        let found = (!tuple.is_null()).then(|| {
            let columns = (*(*catalog).rd_att).natts as usize;
            let mut values = vec![Datum::null(); columns];
            let mut nulls = vec![false; columns];
            pg_sys::heap_deform_tuple(
                tuple,
                (*catalog).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
            let column = |number: u32| values[number as usize - 1];
            Extension {
                oid: Oid::from_datum(column(pg_sys::Anum_pg_extension_oid)),
                version: <&str>::from_datum(column(pg_sys::Anum_pg_extension_extversion))
                    .to_owned(),
            }
        });
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(catalog, lock);
        found
    }
}

impl Extension {
    /// Whether this library serves it. What follows a plus in a version is what a venue has added
    /// to it on its own.
    pub fn is_served(&self) -> bool {
        self.version
            .strip_prefix(VERSION)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
    }

    /// Why it is not served, for a log and for people who ask for the status.
    pub fn mismatch(&self) -> String {
        format!("{}: {UPDATE}", self.difference())
    }

    fn difference(&self) -> String {
        format!("the extension is version {}, the library is {VERSION}", self.version)
    }

    /// Ends the call with the reason.
    pub fn refuse(&self) -> ! {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            self.difference(),
            "The exchange is closed until they go together.",
            "Run ALTER EXTENSION pg_exchange UPDATE; where the library is the older one, restart the server with the newer one.",
        )
    }
}

/// What to do where the extension is the older one.
const UPDATE: &str = "run ALTER EXTENSION pg_exchange UPDATE";

/// Ends the call where the declarations of this database are not those of the library.
pub fn refuse_other_declaration() -> ! {
    if let Some(extension) = find().filter(|extension| !extension.is_served()) {
        extension.refuse();
    }
    panic!("the SQL declaration of a function differs from the library");
}

/// Whether a statement updates the extension.
///
/// # Safety
/// `node` is the utility statement of a plan, or null.
pub unsafe fn is_update(node: *mut pg_sys::Node) -> bool {
    // SAFETY: a node of this tag is of this type, and has a name.
    unsafe {
        !node.is_null()
            && (*node).type_ == pg_sys::NodeTag::T_AlterExtensionStmt
            && std::ffi::CStr::from_ptr((*node.cast::<pg_sys::AlterExtensionStmt>()).extname)
                == c"pg_exchange"
    }
}

/// After an update: it must have come to what this library serves, or it is undone. So the tables
/// do not change under workers that do not know what they have become.
#[pgrx::pg_guard]
pub extern "C-unwind" fn check_update() {
    // SAFETY: in the transaction of the statement, which sees itself from here on.
    unsafe { pg_sys::CommandCounterIncrement() };
    if let Some(extension) = find().filter(|extension| !extension.is_served()) {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("the library does not serve version {} of the extension", extension.version),
            format!("The server runs version {VERSION} of the library."),
            format!(
                "Restart the server with the library of that version first, or run ALTER EXTENSION pg_exchange UPDATE TO '{VERSION}';"
            ),
        );
    }
}
