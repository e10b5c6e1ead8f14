//! The traits of futures-io, which smol and async-std use.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{OpenReader, SealWriter};

impl<W: AsyncWrite + Unpin> AsyncWrite for SealWriter<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, sealer } = self.get_mut();
        sealer
            .poll_write(context, data, &mut |context, bytes| Pin::new(&mut *inner).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, sealer } = self.get_mut();
        ready!(sealer.poll_drain(context, &mut |context, bytes| {
            Pin::new(&mut *inner).poll_write(context, bytes)
        }))?;
        Pin::new(inner).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, sealer } = self.get_mut();
        ready!(sealer.poll_finish(context, &mut |context, bytes| {
            Pin::new(&mut *inner).poll_write(context, bytes)
        }))?;
        if !sealer.is_shut_down {
            ready!(Pin::new(inner).poll_close(context))?;
            sealer.is_shut_down = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + Unpin> AsyncBufRead for OpenReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let Self { inner, opener } = self.get_mut();
        opener.poll_plain(context, &mut |context, into| Pin::new(&mut *inner).poll_read(context, into))
    }

    fn consume(self: Pin<&mut Self>, count: usize) {
        self.get_mut().opener.consume(count);
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for OpenReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if into.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let text = ready!(self.as_mut().poll_fill_buf(context))?;
        let count = text.len().min(into.len());
        into[..count].copy_from_slice(&text[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}
