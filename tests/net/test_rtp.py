#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A camera: ffmpeg sends H.264 by RTP on the one side, ffprobe decodes it on the other."""

import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import netns, stats, tap  # noqa: E402
from harness.live import NUMBER, LiveDiode, programs, start  # noqa: E402
from harness.procs import Process  # noqa: E402

FRAMES, SEEN, RATE = 60, 50, 20
RTP_IN, RTP_OUT = 5000, 5004
ETH_P_IP, PACKET_OUTGOING = 0x0800, 4


class Ear(threading.Thread):
    """What is sent by UDP to a port on the loopback of a namespace, beside whoever takes it."""

    def __init__(self, ns, port):
        super().__init__(daemon=True)
        self.socket = ns.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.bind(("lo", ETH_P_IP))
        self.socket.settimeout(0.1)
        self.port, self.heard, self.end = port, [], threading.Event()

    def run(self):
        while not self.end.is_set():
            try:
                packet, where = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            head = (packet[0] & 15) * 4
            if (where[2] != PACKET_OUTGOING and packet[9] == socket.IPPROTO_UDP
                    and struct.unpack_from(">H", packet, head + 2)[0] == self.port):
                self.heard.append(packet[head + 8:])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.join()
        self.socket.close()


# What the camera would have on paper: the far end cannot ask for it.
SDP = f"""v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
c=IN IP4 127.0.0.1
t=0 0
m=video {RTP_OUT} RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
"""


def jumps(packets):
    """Where RTP's sequence number, of 16 bits, does not rise by one."""
    numbers = [struct.unpack_from(">H", packet, 2)[0] for packet in packets]
    return [pair for pair in zip(numbers, numbers[1:]) if (pair[0] + 1) % 65536 != pair[1]]


@tap.test
def a_camera_is_seen(t):
    """No packet is missing at the far end, none is changed, and they are a film."""
    netns.require()
    ffmpeg, ffprobe = programs("ffmpeg", "ffprobe")
    with open(sdp := os.path.join(t.dir, "camera.sdp"), "w", encoding="ascii") as file:
        file.write(SDP)
    camera = [ffmpeg, "-hide_banner", "-nostats", "-re", "-f", "lavfi", "-i",
              f"testsrc=size=320x240:rate={RATE}", "-frames:v", str(FRAMES), "-c:v", "libx264",
              "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-threads", "1", "-f",
              "rtp", f"rtp://127.0.0.1:{RTP_IN}?pkt_size=1200"]
    # without RTCP nobody tells it when the film ends
    screen = [ffprobe, "-hide_banner", "-protocol_whitelist", "file,udp,rtp", "-count_frames",
              "-read_intervals", f"%+#{SEEN}", "-show_entries",
              "stream=codec_name,width,height,nb_read_frames", "-of",
              "default=noprint_wrappers=1", sdp]
    with netns.Path(mtu=1500, emulator=False) as path, \
            LiveDiode(path, t.dir, tx_live={"listen": f"127.0.0.1:{RTP_IN}"},
                      rx_live={"deliver": f"127.0.0.1:{RTP_OUT}"}) as diode:
        start(diode)
        with Ear(path.tx.ns, RTP_IN) as here, Ear(path.rx.ns, RTP_OUT) as there, \
                Process(screen, t.dir, "ffprobe", ns=path.rx.ns) as viewer:
            diode.wait(lambda: f":{RTP_OUT + 1:04X} " in path.rx.ns.shell("cat /proc/net/udp"),
                       20, "the viewer's ports")
            with Process(camera, t.dir, "ffmpeg", ns=path.tx.ns) as source:
                t.equal(source.wait(60), 0, "the camera's exit code")
            t.equal(viewer.wait(60), 0, "the viewer's exit code")
            diode.wait(lambda: len(there.heard) >= len(here.heard), 20, "all packets")
            t.check(len(here.heard) >= FRAMES, f"{len(here.heard)} packets of {FRAMES} frames")
            t.equal(jumps(here.heard), [], "sequence numbers missing where it was sent")
            t.equal(jumps(there.heard), [], "sequence numbers missing at the far end")
            t.check(there.heard == here.heard, "the same packets in the same order")
            said = dict(line.split("=", 1) for line in viewer.output("out").splitlines())
        t.equal(said, {"codec_name": "h264", "width": "320", "height": "240",
                       "nb_read_frames": str(SEEN)}, "what the viewer decoded")
        _, rx = diode.finish()
        t.equal(rx[f"sink.ch{NUMBER}_sent"], len(here.heard), "packets sent on")
        t.equal(stats.one_way(path), {}, "frames the other way")


if __name__ == "__main__":
    tap.main()
