//! The traits of tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::{OpenReader, SealWriter};

impl<W: AsyncWrite + Unpin> AsyncWrite for SealWriter<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write_by(context, data, W::poll_write)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().flush_by(context, W::poll_write, W::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().shut_down_by(context, W::poll_write, W::poll_shutdown)
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for OpenReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().fill_by(context, read)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().consume_text(count);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for OpenReader<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = into.remaining();
        self.get_mut().read_by(context, room, read, |text| into.put_slice(text)).map_ok(drop)
    }
}

/// `poll_read` of tokio, with bytes in place of its buffer.
fn read<R: AsyncRead>(
    inner: Pin<&mut R>,
    context: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut into = ReadBuf::new(into);
    ready!(inner.poll_read(context, &mut into))?;
    Poll::Ready(Ok(into.filled().len()))
}
