"""What a caller of backup and restore decides on; each docstring is the sentence the operator reads."""


class BackupFailed(Exception):
    """A backup could not be taken or restored; the message says why and what to do."""


class Tampered(BackupFailed):
    """A file of the backup is not what was written: changed, cut, swapped or forged. It is not restored from."""


class KeyMissing(BackupFailed):
    """The key that sealed this backup is not in the key file; the message names the key."""


class LogMissing(BackupFailed):
    """A piece of the log between base and newest is not there: what came after it cannot be restored."""


class Nothing(BackupFailed):
    """There is no verified base backup; take one with `callcenter backup base`."""


class WrongPlace(BackupFailed):
    """The folder named for a restore is not empty, or is in use; nothing in it was touched."""
