"""Receivers of notices: over HTTP, by e-mail, and as syslog."""

from chatelaine.adapters.notify.http import HttpReceiver
from chatelaine.adapters.notify.smtp import Mailbox, SmtpReceiver
from chatelaine.adapters.notify.syslog import SyslogReceiver, Transport

__all__ = ["HttpReceiver", "Mailbox", "SmtpReceiver", "SyslogReceiver", "Transport"]
