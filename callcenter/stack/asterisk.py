"""A private Asterisk: rendered configuration, start until fully booted, orderly stop, crash, command line."""

import math
import re
import struct
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callcenter.stack import asterisk_program, templates
from callcenter.stack.errors import StackFailed
from callcenter.stack.ports import TRUNK_PEER, UNIT_PEER, Ports
from callcenter.stack.process import Process, run
from callcenter.stack.secrets import Secrets

FOLDERS = (
    "etc log/cel-custom lib/agi-bin db keys/keys cache music spool/monitor spool/outgoing spool/recording "
    "data/sounds/zh data/sounds/en"
)
MUSIC_RATE = 8000
SOFTPHONE = """
; ---- an agent's telephone in a browser: audio encrypted (DTLS-SRTP), found by ICE.
[softphone](!,agent)
webrtc = yes
dtls_auto_generate_cert = yes
; A-law first: no transcoding between a browser and the telephone network.
disallow = all
allow = alaw,ulaw,opus
; A browser sends without a pause, muted too. One whose page crashed is noticed before the citizen gives up.
rtp_timeout = 30"""


@dataclass(frozen=True, slots=True)
class CelDatabase:
    """Where Asterisk writes its CEL rows: an address libpq understands and a role that may insert into `cel`."""

    host: str
    port: int
    name: str
    user: str
    password: str


class Asterisk(Process):
    """Asterisk with everything it owns in `<folder>/asterisk`; configuration is rendered at each start."""

    def __init__(
        self,
        folder: Path,
        sockets: Path,
        ports: Ports,
        secrets: Secrets,
        *,
        node: str,
        hotline_number: str,
        prompts_dir: Path,
        cel_database: CelDatabase | None = None,
        softphones: frozenset[str] = frozenset(),
        handset: bool = False,
    ) -> None:
        """softphones: extensions whose telephone is a browser, over SIP on WebSocket at `ports.http`; the others are
        telephones over UDP. handset: a browser may play a citizen's telephone, in demonstrations. `cel_database` None
        keeps CEL in the file only.
        """
        super().__init__("asterisk", folder)
        self.home = folder / "asterisk"
        self.spool = folder / "recordings"
        self.cel_file = self.home / "log" / "cel-custom" / "cel.csv"
        self.messages_file = self.home / "log" / "messages.log"
        self._control = sockets
        self._ports = ports
        self._secrets = secrets
        self._node = node
        self._hotline_number = hotline_number
        self._prompts_dir = prompts_dir
        self.cel_database = cel_database
        self._softphones = softphones
        self._handset = handset

    async def boot(self) -> None:
        """Write the configuration, start, wait until fully booted. Raises StackFailed with the log's last lines."""
        program = asterisk_program.find()
        self.prepare(program)
        (self._control / "asterisk.ctl").unlink(missing_ok=True)
        await self.start([*program.argv, "-C", str(self.home / "etc/asterisk.conf"), "-f"], env={"TZ": "UTC"})
        await self.wait_ready(self._booted)

    async def cli(self, command: str) -> str:
        """What the Asterisk console answers to `command`. Raises StackFailed when it is not running."""
        program = asterisk_program.find()
        argv = [*program.argv, "-C", str(self.home / "etc/asterisk.conf"), "-rx", command]
        return await run(argv, what=f"asterisk -rx '{command}'")

    def warnings(self) -> list[str]:
        """Lines of Asterisk's own log with a warning or an error."""
        if not self.messages_file.exists():
            return []
        lines = self.messages_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if re.search(r"\] (WARNING|ERROR)\[", line)]

    def prepare(self, program: asterisk_program.Program) -> None:
        """Make the folders, the hold music and the rendered configuration."""
        for name in FOLDERS.split():
            (self.home / name).mkdir(parents=True, exist_ok=True)
        self.spool.mkdir(exist_ok=True)
        for name in ("documentation", "rest-api"):
            link = self.home / "data" / name
            link.unlink(missing_ok=True)
            link.symlink_to(program.share / name)
        music = self.home / "music" / "hold.wav"
        if not music.exists():
            write_music(music)
        templates.render_folder("asterisk", self._values(program), self.home / "etc")
        _drop_absent_modules(self.home / "etc/modules.conf", program.modules)

    async def _booted(self) -> bool:
        if not (self._control / "asterisk.ctl").exists():
            return False
        try:
            return "fully booted" in await self.cli("core waitfullybooted")
        except StackFailed:
            return False

    def _values(self, program: asterisk_program.Program) -> Mapping[str, object]:
        ports, database = self._ports, self.cel_database
        return {
            "home": self.home,
            "modules_dir": program.modules,
            "control_dir": self._control,
            "node": self._node,
            "hotline_number": self._hotline_number,
            "spool_dir": self.spool,
            "prompts_dir": self._prompts_dir,
            "music_dir": self.home / "music",
            "bind": "127.0.0.1",
            "sip_port": ports.sip,
            "ami_port": ports.ami,
            "http_port": ports.http,
            "agi_port": ports.agi,
            "agi_token": self._secrets.agi_token,
            "ami_events_secret": self._secrets.ami_events,
            "ami_actions_secret": self._secrets.ami_actions,
            "trunk_address": TRUNK_PEER,
            "trunk_peer_port": ports.trunk_peer,
            "unit_address": UNIT_PEER,
            "unit_peer_port": ports.unit_peer,
            "rtp_first": ports.rtp[0],
            "rtp_last": ports.rtp[1],
            "agents": "\n".join(
                _agent(extension, password, "softphone" if extension in self._softphones else "agent")
                for extension, password in self._secrets.agents.items()
            ),
            "cel_database_module": "load = cel_pgsql.so" if database else "; cel_pgsql: no database was named",
            "database_host": database.host if database else "",
            "database_port": database.port if database else "",
            "database_name": database.name if database else "",
            "database_user": database.user if database else "",
            "database_password": database.password if database else "",
            **_softphone_values(bool(self._softphones)),
            "handset": HANDSET.format(password=self._secrets.handset) if self._handset else "",
        }


HANDSET = """
; ---- demonstrations only: a citizen's telephone played by a browser page
[trunk-handset](softphone)
context = from-trunk
callerid = 13900139000 <13900139000>
auth = trunk-handset
aors = trunk-handset

[trunk-handset](agent-auth)
username = trunk-handset
password = {password}

[trunk-handset](agent-aor)
"""


def _agent(extension: str, password: str, kind: str) -> str:
    """The three PJSIP sections of one agent's telephone. kind: the template of its endpoint."""
    return (
        f"\n[{extension}]({kind})\nauth = {extension}\naors = {extension}\n"
        f"callerid = {extension} <{extension}>\n"
        f"\n[{extension}](agent-auth)\nusername = {extension}\npassword = {password}\n"
        f"\n[{extension}](agent-aor)\n"
    )


def _softphone_values(wanted: bool) -> dict[str, str]:
    """The parts of the configuration that a browser's telephone (SIP over WebSocket, WebRTC) needs."""
    if not wanted:
        return {"softphone_modules": "", "softphone_transport": "", "softphone_template": "", "http": "no", "ice": "no"}
    return {
        "softphone_modules": "load = res_pjsip_transport_websocket.so\n"
        "load = codec_opus_open_source.so\nload = res_format_attr_opus.so",
        "softphone_transport": "\n[websocket]\ntype = transport\nprotocol = ws\nbind = 127.0.0.1",
        "softphone_template": SOFTPHONE,
        "http": "yes",
        "ice": "yes",
    }


def _drop_absent_modules(modules_conf: Path, modules: Path) -> None:
    """Comment out what this build of Asterisk does not have: distributions split and build them differently."""
    lines = []
    for line in modules_conf.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"load = (\S+)", line)
        absent = found and not (modules / found[1]).exists()
        lines.append(f"; not in this build: {line}" if absent else line)
    modules_conf.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_music(path: Path, seconds: float = 12.0) -> None:
    """Hold music of our own: a slow pentatonic tune, 8 kHz mono 16 bit. No licence question, no download."""
    notes = (523.25, 587.33, 659.25, 783.99, 880.0, 783.99, 659.25, 587.33)
    note_s = seconds / (2 * len(notes))
    frames = bytearray()
    for index in range(int(seconds * MUSIC_RATE)):
        at = index / MUSIC_RATE
        within = at % note_s
        # Each note swells and fades, so that the loop has no clicks.
        loudness = 3500 * math.sin(math.pi * within / note_s)
        pitch = notes[int(at / note_s) % len(notes)]
        frames += struct.pack("<h", int(loudness * math.sin(2 * math.pi * pitch * within)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(MUSIC_RATE)
        file.writeframes(bytes(frames))
