//! The port for the other servers: everything that `node` answers them, for holders of a
//! server's certificate only.

use axum::{
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use tonic::{Status, service::Routes};

use crate::{
    node::{Gate, PeerName},
    ports::{Handler, Protocol, Remote},
    tls::Holder,
};

/// What is spoken with other servers.
pub(crate) fn protocol(gate: &Gate) -> Protocol {
    let Protocol {
        handler: http,
        plain_answer,
    } = Protocol::http(router(gate));
    let gate = gate.clone();
    let handler: Handler = Box::new(move |stream, remote, phase| {
        let (gate, holder) = (gate.clone(), remote.holder.clone());
        let served = http(stream, remote, phase);
        Box::pin(async move {
            served.await;
            if let Holder::Server(name) = &holder {
                gate.connection_ended(name);
            }
        })
    });
    Protocol {
        handler,
        plain_answer,
    }
}

fn router(gate: &Gate) -> axum::Router {
    Routes::default()
        .add_service(gate.service())
        .into_axum_router()
        .layer(middleware::from_fn(name_peer))
}

/// Tells `node` which server is asking, by its certificate.
async fn name_peer(mut request: Request, next: Next) -> Response {
    let holder = request
        .extensions()
        .get::<Remote>()
        .map(|remote| remote.holder.clone());
    match holder {
        Some(Holder::Server(name)) => {
            request.extensions_mut().insert(PeerName(name));
            next.run(request).await
        }
        // TLS has refused them; should it ever not, nothing is answered here either.
        Some(Holder::Operator(_) | Holder::Other) | None => {
            Status::permission_denied("this port is for servers only").into_http()
        }
    }
}
