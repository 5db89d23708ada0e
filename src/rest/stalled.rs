//! Connections whose other end takes nothing any more are given up by the system, whatever is on them: a large answer, a
//! WebSocket, an event stream. An end in good order needs a client that reads, so nothing else would end them.

use std::time::Duration;

use tokio::net::TcpStream;

/// How long what was sent may stay without an acknowledgement, or unsent because nobody reads.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sets the limit, where the system knows it; without it, such connections last as long as the system keeps them.
pub fn give_up(connection: &mut TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(&*connection).set_tcp_user_timeout(Some(PATIENCE)) {
        tracing::debug!(%error, "a connection has no limit on how long it may stall");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (connection, PATIENCE);
}
