//! The connections, each with a switch that cuts it for real.
//!
//! Cutting makes every further read and write fail, so that hyper gives the connection up; the socket is set to linger
//! for zero seconds, so that closing it sends a reset (RST) and throws away what was not yet sent.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A listener whose connections can be cut, one by one or all with the server.
pub(super) struct Door {
    listener: TcpListener,
    closing: CancellationToken,
}

impl Door {
    pub fn new(listener: TcpListener, closing: CancellationToken) -> Self {
        Self { listener, closing }
    }
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await {
                return (Wire::new(stream, self.closing.child_token()), address);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    cut: CancellationToken,
    was_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        let was_cut = Box::pin(cut.clone().cancelled_owned());
        Self { stream, cut, was_cut }
    }

    /// Fails once the wire is cut, and wakes the reader when that happens.
    fn intact(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.was_cut.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.cut.is_cancelled() {
            // Nothing to do about a socket that is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.intact(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.intact(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.intact(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a handler needs of its connection: the switch.
#[derive(Clone)]
pub(super) struct Switch(CancellationToken);

impl Switch {
    pub fn cut(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, Door>> for Switch {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(stream.io().cut.clone())
    }
}
