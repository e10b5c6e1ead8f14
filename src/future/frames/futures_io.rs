//! The traits of futures-io, which smol and async-std use.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{OpenReader, SealWriter};

impl<W: AsyncWrite + Unpin> AsyncWrite for SealWriter<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write_by(context, data, W::poll_write)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().flush_by(context, W::poll_write, W::poll_flush)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().shut_down_by(context, W::poll_write, W::poll_close)
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for OpenReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().fill_by(context, R::poll_read)
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().consume_text(count);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for OpenReader<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = into.len();
        let take = |text: &[u8]| into[..text.len()].copy_from_slice(text);
        self.get_mut().read_by(context, room, R::poll_read, take)
    }
}
