//! One call of a SQL function: its arguments, and ways to return.

use pgrx::pg_sys::{self, Datum};

use crate::datum::FromDatum;
use crate::extension;

/// A call in progress.
#[derive(Clone, Copy)]
pub struct Call(pg_sys::FunctionCallInfo);

impl Call {
    /// # Safety
    /// `fcinfo` is that of the running call of a V1 function.
    pub unsafe fn new(fcinfo: pg_sys::FunctionCallInfo) -> Self {
        Self(fcinfo)
    }

    /// The OID of the called function.
    pub fn function(&self) -> pg_sys::Oid {
        // SAFETY: a V1 call through SQL has its lookup info.
        unsafe { (*(*self.0).flinfo).fn_oid }
    }

    /// The raw call, for functions of Postgres that need it.
    pub fn raw(&self) -> pg_sys::FunctionCallInfo {
        self.0
    }

    fn datum(&self, index: usize) -> Option<Datum> {
        // SAFETY: there are `nargs` arguments; checked.
        unsafe {
            if index >= (*self.0).nargs as usize {
                extension::refuse_other_declaration();
            }
            let argument = &*(*self.0).args.as_ptr().add(index);
            (!argument.isnull).then_some(argument.value)
        }
    }

    /// Whether an argument is NULL.
    pub fn is_null(&self, index: usize) -> bool {
        self.datum(index).is_none()
    }

    /// An argument; `None` for NULL. That `T` stands for its SQL type is what
    /// `exchange.function_signatures()` declares and a test checks.
    pub fn argument<'call, T: FromDatum<'call>>(&'call self, index: usize) -> Option<T> {
        // SAFETY: see above.
        self.datum(index).map(|datum| unsafe { T::from_datum(datum) })
    }

    /// An array argument; `None` for NULL, as may be its elements.
    pub fn array<'call, T: FromDatum<'call>>(&'call self, index: usize) -> Option<Vec<Option<T>>> {
        let datum = self.datum(index)?;
        // SAFETY: the argument is an array; its element type is read from it, and the
        // type's layout from the catalog.
        unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            let element = (*array).elemtype;
            let (mut length, mut by_value, mut align) = (0, false, 0);
            pg_sys::get_typlenbyvalalign(element, &mut length, &mut by_value, &mut align);
            let (mut values, mut nulls) = (std::ptr::null_mut(), std::ptr::null_mut());
            let mut count = 0;
            pg_sys::deconstruct_array(
                array,
                element,
                length.into(),
                by_value,
                align,
                &mut values,
                &mut nulls,
                &mut count,
            );
            Some(
                (0..count as usize)
                    .map(|index| (!*nulls.add(index)).then(|| T::from_datum(*values.add(index))))
                    .collect(),
            )
        }
    }

    /// Returns SQL NULL, or nothing for `void`.
    pub fn null(&self) -> Datum {
        // SAFETY: the call is ours.
        unsafe { (*self.0).isnull = true };
        Datum::null()
    }

    /// Begins to return rows.
    pub fn rows(&self) -> Rows {
        // SAFETY: the functions that call this are declared to return sets.
        unsafe {
            pg_sys::InitMaterializedSRF(self.0, 0);
            let result = (*self.0).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            // Released with the memory of the call.
            let scratch = pg_sys::AllocSetContextCreateExtended(
                pg_sys::CurrentMemoryContext,
                c"a row to return".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_SMALL_MAXSIZE as usize,
            );
            Rows { store: (*result).setResult, descriptor: (*result).setDesc, scratch }
        }
    }
}

/// Rows that a call returns.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    descriptor: pg_sys::TupleDesc,
    scratch: pg_sys::MemoryContext,
}

impl Rows {
    /// Adds a row whose values are made by `make`, and releases their memory: for functions
    /// that return very many.
    pub fn add_made<const N: usize>(&mut self, make: impl FnOnce() -> [Option<Datum>; N]) {
        // SAFETY: the row is copied before the memory that it was made in is released. After
        // an error nobody goes on in this memory.
        unsafe {
            let kept = pg_sys::MemoryContextSwitchTo(self.scratch);
            self.add(make());
            pg_sys::MemoryContextSwitchTo(kept);
            pg_sys::MemoryContextReset(self.scratch);
        }
    }

    /// The same for a function that must also answer as an earlier version of the extension declared
    /// it: with fewer columns. Later versions have added theirs at the end.
    pub fn add_as_declared<const N: usize>(&mut self, row: [Option<Datum>; N]) {
        // SAFETY: the descriptor is that of the store.
        let columns = unsafe { (*self.descriptor).natts } as usize;
        if columns > N {
            extension::refuse_other_declaration();
        }
        self.put(row);
    }

    /// Adds a row: one value a column, `None` for NULL.
    pub fn add<const N: usize>(&mut self, row: [Option<Datum>; N]) {
        // SAFETY: the descriptor is that of the store.
        if unsafe { (*self.descriptor).natts } as usize != N {
            extension::refuse_other_declaration();
        }
        self.put(row);
    }

    /// Adds a row of at least as many values as there are columns.
    fn put<const N: usize>(&mut self, row: [Option<Datum>; N]) {
        let mut nulls = row.map(|value| value.is_none());
        let mut values = row.map(|value| value.unwrap_or(Datum::null()));
        // SAFETY: there are as many values as the descriptor has columns; checked.
        unsafe {
            pg_sys::tuplestore_putvalues(
                self.store,
                self.descriptor,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
    }
}
