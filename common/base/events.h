// SPDX-License-Identifier: ISC
/*
 * events.h: every event id the daemons can log, once, with level and meaning.
 *
 * Ids are stable: alarms, runbooks and docs/events.md (one heading per id) refer to them,
 * and a lint compares both lists. Append rows in the block of their owner; never reuse an
 * id for another meaning. Level is the usual one; log_event_at() may deviate.
 *
 * X(NAME, "id", level, "one-line meaning"): gives the enum constant EVENT_NAME.
 */
#ifndef EVENTS_H
#define EVENTS_H

/* base and daemon: both programs */
#define EVENTS_COMMON(X)                                                                   \
	X(DAEMON_START, "daemon.start", LOG_NOTICE, "the daemon starts")                   \
	X(DAEMON_READY, "daemon.ready", LOG_NOTICE, "all roles are ready, work begins")    \
	X(DAEMON_STOP, "daemon.stop", LOG_NOTICE, "the daemon stops on request")           \
	X(DAEMON_FAILED, "daemon.failed", LOG_ERR, "the daemon gives up")                  \
	X(CONFIG_ERROR, "config.error", LOG_ERR, "the configuration is refused")           \
	X(RELOAD_REFUSED, "reload.refused", LOG_WARNING,                                   \
	  "SIGHUP changes nothing; it says why")                                           \
	X(KEYS_RELOADED, "keys.reloaded", LOG_NOTICE, "other keys are in force")           \
	X(KEY_LOADED, "key.loaded", LOG_NOTICE, "a key that is used from now on")          \
	X(KEY_EXPIRES, "key.expires", LOG_WARNING, "a key is to be replaced soon")         \
	X(KEY_EXPIRED, "key.expired", LOG_ERR, "a key is past its date, and works on")     \
	X(LINK_GONE, "link.gone", LOG_ERR, "the interface has disappeared")                \
	X(LINK_BACK, "link.back", LOG_NOTICE, "the interface is there again")              \
	X(ROLE_START, "role.start", LOG_INFO, "a role process was started")                \
	X(ROLE_READY, "role.ready", LOG_NOTICE, "a role is ready; its walls are listed")   \
	X(ROLE_DIED, "role.died", LOG_ERR, "a role ended although nobody asked it to")     \
	X(ROLE_RESTART, "role.restart", LOG_WARNING, "a role is started again")            \
	X(ROLE_ALARM, "role.alarm", LOG_CRIT, "a role keeps dying")                        \
	X(ROLE_STOPPED, "role.stopped", LOG_INFO, "a role ended as asked")                 \
	X(ROLE_HUNG, "role.hung", LOG_ERR, "a role does not go on")                        \
	X(NOTIFY_FAILED, "notify.failed", LOG_WARNING, "the service manager was not told") \
	X(ROLE_KILLED, "role.killed", LOG_WARNING, "a role overstayed its stop limit")     \
	X(IPC_VIOLATION, "ipc.violation", LOG_CRIT, "a role broke the message protocol")   \
	X(RING_VIOLATION, "ring.violation", LOG_CRIT, "a role wrote impossible indices")   \
	X(SANDBOX_DEGRADED, "sandbox.degraded", LOG_WARNING, "a wall is missing here")     \
	X(SANDBOX_VIOLATION, "sandbox.violation", LOG_ALERT,                               \
	  "a role was killed by its cage")                                                 \
	X(CLOCK_STEP, "clock.step", LOG_WARNING, "wall clock and boot clock moved apart")  \
	X(LINK_BACKEND, "link.backend", LOG_NOTICE,                                        \
	  "what carries frames through the port, and why")                                 \
	X(RETURN_SEEN, "return.seen", LOG_ALERT,                                           \
	  "the one-way link carried something back")                                       \
	X(RETURN_ENDED, "return.ended", LOG_NOTICE,                                        \
	  "the one-way link has carried nothing back for a minute")                        \
	X(RETURN_UNWATCHED, "return.unwatched", LOG_ERR,                                   \
	  "nobody can see whether the link carries something back")                        \
	X(CORES_PLACED, "cores.placed", LOG_INFO, "which thread has which processor")      \
	X(TUNING_CARRIER, "tuning.carrier", LOG_WARNING,                                   \
	  "the interface is down or has no carrier")                                       \
	X(TUNING_GOVERNOR, "tuning.governor", LOG_WARNING, "processors save power")        \
	X(TUNING_PAUSE, "tuning.pause", LOG_WARNING,                                       \
	  "Ethernet flow control works against the one-way link")                          \
	X(METRICS_FAILED, "metrics.failed", LOG_WARNING,                                   \
	  "the file of metrics cannot be written")                                         \
	X(STATE_DROPPED, "state.dropped", LOG_WARNING,                                     \
	  "updates of a state channel were dropped")                                       \
	X(SUMMARY, "summary", LOG_INFO, "figures of one interval")                         \
	X(DEBUG, "debug", LOG_DEBUG, "detail for developers, not stable")

/* tx: appended by the owner of tx/ */
#define EVENTS_TX(X)                                                                       \
	X(LINK_DOWN, "link.down", LOG_ERR, "the diode port is down; tx waits")             \
	X(LINK_UP, "link.up", LOG_NOTICE, "the diode port is up again")                    \
	X(LINK_FAILED, "link.failed", LOG_ERR, "the diode port refuses frames")            \
	X(LINK_TRAINS, "link.trains", LOG_NOTICE,                                          \
	  "whether the kernel takes trains of datagrams")                                  \
	X(TUNING_RATE, "tuning.rate", LOG_WARNING,                                         \
	  "the rate is above what the interface carries")                                  \
	X(TUNING_QUEUE, "tuning.queue", LOG_WARNING,                                       \
	  "the interface's queue is shorter than the send buffer")                         \
	X(TUNING_BUFFER, "tuning.buffer", LOG_WARNING,                                     \
	  "the kernel gives less send buffer than the rate needs")                         \
	X(EPOCH_STORED, "epoch.stored", LOG_INFO,                                          \
	  "a session was opened and its epoch stored")                                     \
	X(EPOCH_REFUSED, "epoch.refused", LOG_ERR,                                         \
	  "the epoch could not be stored: no new session")                                 \
	X(FILE_REFUSED, "file.refused", LOG_WARNING,                                       \
	  "policy does not let a name in; it stays in the spool")                          \
	X(FILE_PUT_BACK, "file.put-back", LOG_WARNING,                                     \
	  "a claimed file changed or went; its number is given up")                        \
	X(FILE_CHANGED, "file.changed", LOG_ERR,                                           \
	  "a file changed after its manifest was signed")                                  \
	X(SPOOL_NO_WATCH, "spool.no-watch", LOG_WARNING,                                   \
	  "no inotify watch; directories are polled")                                      \
	X(SPOOL_NO_LEASE, "spool.no-lease", LOG_NOTICE,                                    \
	  "open writers cannot be seen on this spool")                                     \
	X(SPOOL_FULL, "spool.full", LOG_WARNING,                                           \
	  "more names wait than are watched at once")                                      \
	X(SPOOL_UNREADABLE, "spool.unreadable", LOG_ERR,                                   \
	  "a spool directory cannot be read")                                              \
	X(SPOOL_FAILED, "spool.failed", LOG_ERR,                                           \
	  "a file cannot be moved within the spool")                                       \
	X(SPOOL_RECOVERED, "spool.recovered", LOG_WARNING,                                 \
	  "claimed files of lost state were put back")                                     \
	X(SPOOL_YIELD, "spool.yield", LOG_WARNING,                                         \
	  "sent files were removed early for want of room")                                \
	X(CHAIN_NEW, "chain.new", LOG_NOTICE, "a channel begins a new chain")              \
	X(JOURNAL_TORN, "journal.torn", LOG_NOTICE,                                        \
	  "the last journal entry was incomplete and cut")                                 \
	X(JOURNAL_FAILED, "journal.failed", LOG_ERR,                                       \
	  "state cannot be stored; the channel waits")                                     \
	X(BATCH_CLAIMED, "batch.claimed", LOG_DEBUG, "objects were taken from the spool")  \
	X(BATCH_LEFT, "batch.left", LOG_INFO,                                              \
	  "all frames of a manifest's objects have left")                                  \
	X(SESSION_BEGUN, "session.begun", LOG_NOTICE, "a new session was announced")       \
	X(LIVE_BUFFER, "live.buffer", LOG_WARNING,                                         \
	  "the kernel gives a channel a smaller queue than configured")                    \
	X(GROUP_JOINED, "group.joined", LOG_NOTICE,                                        \
	  "messages to a group are taken by an interface")                                 \
	X(GROUP_MISSING, "group.missing", LOG_ERR,                                         \
	  "messages to a group cannot be taken by an interface")                           \
	X(STREAM_REFUSED, "stream.refused", LOG_WARNING, "a producer was turned away")     \
	X(STREAM_DROPPED, "stream.dropped", LOG_WARNING,                                   \
	  "a stream has a gap: there was no room for what its producer brought")           \
	X(RESEND_DONE, "resend.done", LOG_NOTICE, "a ticket was worked off")               \
	X(RESEND_REFUSED, "resend.refused", LOG_WARNING, "a ticket cannot be worked off")

/* rx: appended by the owner of rx/ */
#define EVENTS_RX(X)                                                                       \
	X(INTAKE_REFUSED, "intake.refused", LOG_WARNING,                                   \
	  "the kernel refuses the receive ring")                                           \
	X(INTAKE_PUMP, "intake.pump", LOG_WARNING,                                         \
	  "the receive ring is refused, libpcap serves")                                   \
	X(TUNING_RING, "tuning.ring", LOG_WARNING,                                         \
	  "the receive ring is short for the link's speed")                                \
	X(TUNING_NIC_RING, "tuning.nic-ring", LOG_WARNING,                                 \
	  "the NIC has few receive descriptors")                                           \
	X(TUNING_SPREAD, "tuning.spread", LOG_WARNING,                                     \
	  "frames are spread over cores by queues that overflow")                          \
	X(FLOORS_FAILED, "floors.failed", LOG_ERR,                                         \
	  "epoch and lane floors could not be stored")                                     \
	X(FILE_PUBLISHED, "file.published", LOG_INFO,                                      \
	  "a verified file stands under its name")                                         \
	X(FILE_ASIDE, "file.aside", LOG_INFO,                                              \
	  "an older verified file went to generations")                                    \
	X(FILE_QUARANTINED, "file.quarantined", LOG_WARNING,                               \
	  "an object was refused and put aside")                                           \
	X(SCAN_REJECTED, "scan.rejected", LOG_ERR, "the scanner rejects an object")        \
	X(SCAN_ERROR, "scan.error", LOG_ERR,                                               \
	  "the scanner failed on an object, which is not let through")                     \
	X(SCAN_TIMEOUT, "scan.timeout", LOG_ERR,                                           \
	  "the scanner did not end in time on an object, which is not let through")        \
	X(QUARANTINE_RELEASED, "quarantine.released", LOG_NOTICE,                          \
	  "an operator had an object published out of quarantine")                         \
	X(QUARANTINE_KEPT, "quarantine.kept", LOG_WARNING,                                 \
	  "an object stays in quarantine although an operator wants it out")               \
	X(FILE_WITHDRAWN, "file.withdrawn", LOG_NOTICE, "the sender gave an object up")    \
	X(OBJECT_DAMAGED, "object.damaged", LOG_WARNING,                                   \
	  "an object has holes that repair cannot fill")                                   \
	X(OBJECT_HELD, "object.held", LOG_ERR,                                             \
	  "an object cannot be written; its data is dropped")                              \
	X(OBJECT_REFUSED, "object.refused", LOG_WARNING,                                   \
	  "a record about an object makes no sense")                                       \
	X(MANIFEST_STORED, "manifest.stored", LOG_INFO,                                    \
	  "a signed manifest is verified and stored")                                      \
	X(MANIFEST_REFUSED, "manifest.refused", LOG_ERR, "a manifest is refused")          \
	X(MANIFEST_MISSING, "manifest.missing", LOG_WARNING,                               \
	  "manifests were announced and did not come")                                     \
	X(CHAIN_RESTARTED, "chain.restarted", LOG_ERR,                                     \
	  "the sender began a new chain of manifests")                                     \
	X(CHAIN_FORK, "chain.fork", LOG_CRIT, "two different manifests of one name")       \
	X(CHAIN_BROKEN, "chain.broken", LOG_CRIT, "a manifest names another predecessor")  \
	X(DISK_FULL, "disk.full", LOG_ERR, "no room for objects; data is dropped")         \
	X(DISK_OK, "disk.ok", LOG_NOTICE, "there is room for objects again")               \
	X(STATE_UNWRITABLE, "state.unwritable", LOG_ERR,                                   \
	  "state cannot be written; work waits")                                           \
	X(STATE_CUT, "state.cut", LOG_NOTICE, "the torn end of a state file was cut off")  \
	X(GENERATION_DROPPED, "generation.dropped", LOG_INFO,                              \
	  "an old generation was removed")                                                 \
	X(SESSION_ACCEPTED, "session.accepted", LOG_NOTICE,                                \
	  "a session of the sender is accepted")                                           \
	X(SESSION_REFUSED, "session.refused", LOG_WARNING, "an announce is refused")       \
	X(SESSION_FAR, "session.far", LOG_ERR,                                             \
	  "a session is accepted though its epoch is far from our clock")                  \
	X(SESSION_ENDED, "session.ended", LOG_NOTICE, "a session of the sender has ended") \
	X(SESSION_UNKNOWN, "session.unknown", LOG_WARNING,                                 \
	  "frames of a session never announced")                                           \
	X(LINK_SILENT, "link.silent", LOG_ERR, "nothing comes from the sender any more")   \
	X(LINK_HEARD, "link.heard", LOG_NOTICE, "the sender is heard again")               \
	X(FRAMES_LOST, "frames.lost", LOG_WARNING, "frames were lost on the link")         \
	X(FRAMES_REFUSED, "frames.refused", LOG_ERR, "frames failed authentication")       \
	X(FRAMES_DUPLICATE, "frames.duplicate", LOG_WARNING,                               \
	  "frames came twice on one link")                                                 \
	X(WINDOW_INCOMPLETE, "window.incomplete", LOG_WARNING,                             \
	  "more was lost than repair can give back")                                       \
	X(MARGIN_THIN, "margin.thin", LOG_WARNING,                                         \
	  "a window was repaired with nothing to spare")                                   \
	X(KERNEL_DROP, "kernel.drop", LOG_WARNING, "our own receive ring overflowed")      \
	X(POOL_EVICTED, "pool.evicted", LOG_WARNING, "the window pool is full")            \
	X(RECORDS_MALFORMED, "records.malformed", LOG_ERR,                                 \
	  "authenticated symbols do not parse")                                            \
	X(LIVE_LOST, "live.lost", LOG_WARNING,                                             \
	  "messages of a live channel were not delivered")                                 \
	X(LIVE_JOINED, "live.joined", LOG_NOTICE,                                          \
	  "a live channel is taken up in the middle of its session")                       \
	X(LIVE_CLOSED, "live.closed", LOG_NOTICE,                                          \
	  "a live channel's session is settled up to here")                                \
	X(SINK_REFUSED, "sink.refused", LOG_WARNING, "a consumer does not take messages")  \
	X(SINK_ROUTE, "sink.route", LOG_ERR, "messages of a channel cannot be sent on")    \
	X(SINK_REACHED, "sink.reached", LOG_NOTICE,                                        \
	  "a consumer has made its socket; messages go there")                             \
	X(STATE_STALE, "state.stale", LOG_ERR, "a state channel has nothing new")          \
	X(STATE_FRESH, "state.fresh", LOG_NOTICE, "a state channel has news again")        \
	X(STATE_FILE, "state.file", LOG_ERR, "a state channel's table is not written")      \
	X(STATE_CONSUMER, "state.consumer", LOG_WARNING,                                   \
	  "consumers of a state channel do not get every change")                          \
	X(STREAM_GAP, "stream.gap", LOG_WARNING, "bytes of a stream were lost")            \
	X(STREAM_JOINED, "stream.joined", LOG_NOTICE, "a stream is met in its middle")     \
	X(STREAM_SLOW, "stream.slow", LOG_WARNING,                                         \
	  "a consumer takes less than comes, and was cut off")                             \
	X(STREAM_BROKEN, "stream.broken", LOG_WARNING, "a consumer went away")             \
	X(STREAM_ABSENT, "stream.absent", LOG_WARNING, "a consumer is not there")          \
	X(STREAM_CROWDED, "stream.crowded", LOG_WARNING,                                   \
	  "more streams than a channel may have")                                          \
	X(STREAM_MALFORMED, "stream.malformed", LOG_ERR,                                   \
	  "authenticated messages of a stream channel make no sense")                      \
	X(RETURN_PATH, "return.path", LOG_CRIT, "the link is not one-way")                 \
	X(TX_PERMISSIVE, "tx.permissive", LOG_WARNING,                                     \
	  "the sender runs without its full sandbox")                                      \
	X(WIRE_VERSION, "wire.version", LOG_WARNING, "frames of another wire version")     \
	X(PUBLISH_VIOLATION, "publish.violation", LOG_CRIT,                                \
	  "decode said what no honest decode can say")

#define EVENTS(X) EVENTS_COMMON(X) EVENTS_TX(X) EVENTS_RX(X)

#define EVENTS_ENUM(name, id, level, meaning) EVENT_##name,
enum event {
	EVENTS(EVENTS_ENUM) EVENT_COUNT /* number of events, not one of them */
};
#undef EVENTS_ENUM

/* Text of an event and its usual level; any number out of range gives "debug". */
const char *event_id(enum event event);
int event_level(enum event event);
const char *event_meaning(enum event event);

#endif
