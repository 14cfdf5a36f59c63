//! Whether this server is a hot standby, and of whom.

use std::ffi::CStr;

use pgrx::pg_sys;

/// Whether the server replays the WAL of another, or of an archive: it can be read and not
/// written.
pub fn is_standby() -> bool {
    // SAFETY: asking for the state of the server.
    unsafe { pg_sys::RecoveryInProgress() }
}

/// How far the WAL is replayed. On a standby.
pub fn replayed_lsn() -> u64 {
    // SAFETY: reading a position in shared memory; the timeline is not asked for.
    unsafe { pg_sys::GetXLogReplayRecPtr(std::ptr::null_mut()) }
}

/// The timeline that the server writes, or replays.
pub fn timeline() -> u32 {
    if !is_standby() {
        // SAFETY: the server writes WAL.
        return unsafe { pg_sys::GetWALInsertionTimeLine() };
    }
    let mut timeline = 0;
    // SAFETY: as in `replayed_lsn`.
    unsafe { pg_sys::GetXLogReplayRecPtr(&raw mut timeline) };
    timeline
}

/// Host (or folder of the socket) and port of the server that this one receives its WAL from;
/// `None` where it receives none.
pub fn primary() -> Option<(String, i32)> {
    // SAFETY: shared memory that is there from the server's start. It is copied without its
    // spinlock, which cannot be taken from here: it changes only while the receiver connects,
    // and what is torn then is a text in an error message.
    let (host, port) = unsafe {
        let receiver = pg_sys::WalRcv;
        if receiver.is_null() || !(&raw const (*receiver).ready_to_display).read_volatile() {
            return None;
        }
        (
            (&raw const (*receiver).sender_host).read_volatile(),
            (&raw const (*receiver).sender_port).read_volatile(),
        )
    };
    let bytes = host.map(|byte| byte as u8);
    let host = CStr::from_bytes_until_nul(&bytes).ok()?.to_string_lossy().into_owned();
    (!host.is_empty()).then_some((host, port))
}
