//! Answers a request: finds its route, checks access, and calls the handler.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError};

use fastway_service::logging::limited;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::access::ClientTrust;
use super::app::App;
use super::reply::{Failure, Reply, protected};
use super::route::Route;
use crate::Excerpt;

impl App {
    /// Answers a request of a connection.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        from: ClientTrust,
    ) -> Result<Reply, Infallible> {
        let (head, body) = request.into_parts();
        let reply = self.reply(&head, body, &from).await.unwrap_or_else(|failure| {
            self.log(&head, &failure);
            failure.into_reply()
        });
        Ok(protected(reply))
    }

    async fn reply(&self, head: &Parts, body: Incoming, from: &ClientTrust) -> Result<Reply, Failure> {
        let route = Route::at(head.uri.path()).ok_or_else(|| nothing_at(head.uri.path()))?;
        if !route.allows(&head.method) {
            let error = format!("{} is not allowed here; allowed: {}", head.method, route.allowed());
            return Err(Failure::method(error, route.allowed()));
        }
        self.authorize(&route, head, from)?;

        match route {
            Route::Page(page) => Ok(page.reply()),
            Route::Live => Ok(self.live()),
            Route::Ready => Ok(self.ready()),
            Route::Stats => self.stats(head).await,
            Route::Links => self.links(head).await,
            Route::Servers => self.servers(head).await,
            Route::Connections => self.connections(head).await,
            Route::Events => self.event_stream(head),
            Route::Metrics => self.metrics(head).await,
            Route::Profiles => Ok(self.profiles()),
            Route::Profile(profile) => self.profile(profile, head).await,
            Route::Commands if head.method == Method::POST => self.run_commands(head, body).await,
            Route::Commands => Ok(self.commands()),
        }
    }

    /// Checks whether a request may have what is at this route.
    fn authorize(&self, route: &Route, head: &Parts, from: &ClientTrust) -> Result<(), Failure> {
        match route {
            // They show only that there is a gateway.
            Route::Live | Route::Ready => Ok(()),
            Route::Page(_) => self.access().check_page(head),
            _ => {
                self.access().check(head, from)?;
                from.set_trusted();
                Ok(())
            }
        }
    }

    /// Logs refused requests: an attack, or an operator with a wrong setting.
    fn log(&self, head: &Parts, failure: &Failure) {
        let kept_out = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::MISDIRECTED_REQUEST];
        if !kept_out.contains(&failure.status()) {
            return;
        }

        let mut limit = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, reason) = (Excerpt::new(head.uri.path()), failure.error());
        limited!(target: "fastway::http::answer", limit, WARN, [path = path.plain(), reason], "admin request refused");
    }
}

fn nothing_at(path: &str) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}; the page at / has what there is", Excerpt::new(path)),
    )
}
