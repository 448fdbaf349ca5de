//! [`Answers`]: limits on the bytes that an API server may answer before a request fails.
//!
//! A tenant's API server is whatever runs behind the tenant's Service. Its answers are read into memory
//! before they are parsed, so that an endless one would end the operator for all tenants, and so would one
//! that takes a hundred times its length once it is parsed ([`Weight`]).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    BoxError,
    body::Bytes,
    http::{Request, Response},
};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, Service};

use super::json_weight::Weight;

/// Bytes of one answer of a tenant's API server: the largest object of Kubernetes has 1.5 MiB.
const TENANT: usize = 4 << 20;
/// Bytes of one answer of another management cluster.
const EXTERNAL: usize = 16 << 20;
/// Bytes of one answer of the management cluster.
const MANAGEMENT: usize = 64 << 20;
/// Bytes that one answer of a tenant's API server may take once it is parsed.
const TENANT_PARSED: usize = 64 << 20;
/// Bytes that one answer of another management cluster may take once it is parsed.
const EXTERNAL_PARSED: usize = 512 << 20;
/// Bytes of a tenant's answer that the shared limit does not count: nearly all answers are smaller.
const FREE: usize = 128 << 10;
/// KiB of all larger answers of tenants, or of other management clusters, that are being read.
const LARGE: usize = 16 << 10;

/// Layer below a client that limits the bytes of one answer; of a watch, those of one event.
#[derive(Clone, Debug)]
pub struct Answers {
    most: usize,
    /// Bytes of one answer once it is parsed; `None` for an API server that is trusted.
    parsed: Option<usize>,
    budget: Option<Arc<Semaphore>>,
}

/// Error of an answer that was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One answer has more than this number of bytes.
    #[error(
        "the answer has more than {0} bytes, which no answer of an API server needs: is something else listening there?"
    )]
    TooLong(usize),
    /// One answer would take more than this number of bytes once it is parsed.
    #[error(
        "the answer holds more objects and lists than any object of Kubernetes, {0} bytes once they are read: is something else listening there?"
    )]
    TooDense(usize),
    /// All large answers together exceed their shared limit.
    #[error("too many large answers are being read at once: it is tried again")]
    TooMany,
}

impl Answers {
    /// Limits for tenants: 4 MiB for each answer, 64 MiB for what it takes once it is parsed, and 16 MiB for all large
    /// ones together.
    pub fn of_tenants() -> Self {
        Self {
            most: TENANT,
            parsed: Some(TENANT_PARSED),
            budget: Some(Arc::new(Semaphore::new(LARGE))),
        }
    }

    /// Limits for other management clusters: 16 MiB for each answer and for all large ones together, and 512 MiB for
    /// what one takes once it is parsed.
    pub fn of_externals() -> Self {
        Self {
            most: EXTERNAL,
            parsed: Some(EXTERNAL_PARSED),
            budget: Some(Arc::new(Semaphore::new(LARGE))),
        }
    }

    /// Limit for the management cluster: 64 MiB for each answer.
    pub fn of_management() -> Self {
        Self {
            most: MANAGEMENT,
            parsed: None,
            budget: None,
        }
    }
}

impl<S> Layer<S> for Answers {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded {
            inner,
            answers: self.clone(),
        }
    }
}

/// Service that limits the bytes of its answers.
#[derive(Clone, Debug)]
pub struct Bounded<S> {
    inner: S,
    answers: Answers,
}

type Answered<B, E> = Pin<Box<dyn Future<Output = Result<Response<BoundedBody<B>>, E>> + Send>>;

impl<S, R, B> Service<Request<R>> for Bounded<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<BoundedBody<B>>;
    type Error = S::Error;
    type Future = Answered<B, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let mut pairs = request.uri().query().unwrap_or_default().split('&');
        let watch = pairs.any(|pair| pair == "watch=true");
        let answers = self.answers.clone();
        let answered = self.inner.call(request);
        Box::pin(async move {
            Ok(answered.await?.map(|inner| BoundedBody {
                inner,
                watch,
                answers,
                read: 0,
                weight: Weight::default(),
                paid: Vec::new(),
            }))
        })
    }
}

/// Body that ends with an error once it exceeds a limit.
pub struct BoundedBody<B> {
    inner: B,
    watch: bool,
    answers: Answers,
    /// Bytes of the answer, or of the event.
    read: usize,
    /// Memory that `read` bytes take once they are parsed.
    weight: Weight,
    paid: Vec<OwnedSemaphorePermit>,
}

impl<B> BoundedBody<B> {
    fn count(&mut self, data: &[u8]) -> Result<(), Refused> {
        let mut before = self.read;
        // The rest of one event, then whole events, then the beginning of another.
        let mut ends = data.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let first = if self.watch { ends.next() } else { None };
        let longest = if let Some((first, _)) = first {
            let last = ends.next_back().map_or(first, |(last, _)| last);
            let longest = before + first;
            self.read = data.len() - last - 1;
            self.paid.clear();
            before = 0;
            longest
        } else {
            self.read += data.len();
            self.read
        };
        if longest > self.answers.most {
            return Err(Refused::TooLong(self.answers.most));
        }
        self.weigh(data)?;
        self.pay(before)
    }

    /// Weighs the answer; of a watch, each event, which ends with its line.
    fn weigh(&mut self, data: &[u8]) -> Result<(), Refused> {
        let Some(most) = self.answers.parsed else {
            return Ok(());
        };
        for (n, line) in data.split(|byte| *byte == b'\n').enumerate() {
            if n > 0 && self.watch {
                self.weight = Weight::default();
            }
            self.weight.add(line);
            if self.weight.bytes() > most {
                return Err(Refused::TooDense(most));
            }
        }
        Ok(())
    }

    fn pay(&mut self, before: usize) -> Result<(), Refused> {
        let Some(budget) = &self.answers.budget else {
            return Ok(());
        };
        let large = |bytes: usize| bytes.saturating_sub(FREE).div_ceil(1024);
        let due = large(self.read).saturating_sub(large(before));
        if due > 0 {
            let due = u32::try_from(due).unwrap_or(u32::MAX);
            let paid = budget.clone().try_acquire_many_owned(due);
            self.paid.push(paid.map_err(|_| Refused::TooMany)?);
        }
        Ok(())
    }
}

impl<B> Body for BoundedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref()
            && let Err(refused) = self.count(data)
        {
            return Poll::Ready(Some(Err(refused.into())));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // A declared length must not make the reader reserve memory.
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests;
