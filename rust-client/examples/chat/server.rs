//! The room.

use std::collections::HashMap;
use std::sync::Arc;

use fastway_client::{Bytes, ClientId, ConnId, Connection, Server, ServerConfig};
use tokio::sync::mpsc;

use crate::{LINE_CHARS, NAME_CHARS, ROOM, printable};

/// Events that may wait for the room. Who says more than that waits, then fills its receive queue, and is closed.
const WAITING_EVENTS: usize = 256;

/// What happens in the room. A player is known by the connection that it opened.
enum Event {
    Joined { player: ConnId, name: String, delivery: Connection<ClientId> },
    Said { player: ConnId, text: String },
    Left { player: ConnId },
}

pub(crate) async fn open_room(gateway: &str, key: &str) -> anyhow::Result<()> {
    let server = Arc::new(Server::connect(gateway, key, ROOM, ServerConfig::default()).await?);
    println!("the room is open");
    // One task owns the members, so everybody sees all that is said in the same order, and nothing needs a lock.
    let (events, waiting) = mpsc::channel(WAITING_EVENTS);
    tokio::spawn(Room::default().run(waiting));
    while let Some(player) = server.accept().await {
        tokio::spawn(visit(Arc::clone(&server), player, events.clone()));
    }
    Err(server.closed().await.into())
}

/// From a player's name to its last line. A room that is gone takes no events, and there is nobody left to tell.
async fn visit(server: Arc<Server>, mut connection: Connection<ClientId>, room: mpsc::Sender<Event>) {
    let player = connection.conn_id();
    let Some(name) = connection.recv().await else { return };
    let name = match printable(&name, NAME_CHARS).trim() {
        "" => "somebody".to_owned(),
        name => name.to_owned(),
    };
    // Here the server dials the player; it fails when the player has gone already.
    let Ok(delivery) = server.dial(connection.remote_id()).await else { return };
    let _ = room.send(Event::Joined { player, name, delivery }).await;
    while let Some(line) = connection.recv().await {
        let _ = room.send(Event::Said { player, text: printable(&line, LINE_CHARS) }).await;
    }
    let _ = room.send(Event::Left { player }).await;
}

#[derive(Default)]
struct Room {
    members: HashMap<ConnId, Member>,
}

struct Member {
    name: String,
    delivery: Connection<ClientId>,
}

impl Room {
    async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            match event {
                Event::Joined { player, name, delivery } => self.join(player, Member { name, delivery }).await,
                Event::Said { player, text } => self.say(player, &text).await,
                Event::Left { player } => self.leave(player).await,
            }
        }
    }

    async fn join(&mut self, player: ConnId, member: Member) {
        println!("{} joined", member.name);
        let others: Vec<&str> = self.members.values().map(|other| other.name.as_str()).collect();
        let welcome = match others.is_empty() {
            true => "* you are the first here".to_owned(),
            false => format!("* here with you: {}", others.join(", ")),
        };
        deliver(&member, welcome.into()).await;
        self.tell_all_but(player, format!("* {} joined", member.name)).await;
        self.members.insert(player, member);
    }

    async fn say(&self, player: ConnId, text: &str) {
        if let Some(member) = self.members.get(&player) {
            self.tell_all_but(player, format!("{}: {text}", member.name)).await;
        }
    }

    async fn leave(&mut self, player: ConnId) {
        if let Some(member) = self.members.remove(&player) {
            println!("{} left", member.name);
            self.tell_all_but(player, format!("* {} left", member.name)).await;
        }
    }

    async fn tell_all_but(&self, player: ConnId, text: String) {
        let text = Bytes::from(text);
        for (_, member) in self.members.iter().filter(|(other, _)| **other != player) {
            deliver(member, text.clone()).await;
        }
    }
}

/// This waits only while the server's own link is held up, never for one slow player: the gateway sees to those. A
/// player that cannot be told is about to leave, which its visit notices.
async fn deliver(member: &Member, text: Bytes) {
    let _ = member.delivery.send(text).await;
}
