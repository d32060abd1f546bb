"""Bounces and complaints as mail servers write them; {…} stands for what is of one message."""

POSTFIX = """Return-Path: <>
Date: Mon, 1 Jun 2026 12:05:00 +0000 (UTC)
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B1"

--B1
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.
I'm sorry to have to inform you that your message could not be delivered.

--B1
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
X-Postfix-Queue-ID: 3F2A1
Arrival-Date: Mon,  1 Jun 2026 12:04:00 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mail.example.com
Diagnostic-Code: smtp; {words}

--B1
Content-Description: Undelivered Message
Content-Type: message/rfc822

{original}
--B1--
"""
EXCHANGE = """From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@contoso.example>
To: {to}
Date: Mon, 1 Jun 2026 12:05:00 +0000
Content-Type: multipart/report; report-type=delivery-status; boundary="B2"
Subject: Undeliverable: News

--B2
Content-Type: multipart/alternative; boundary="B3"

--B3
Content-Type: text/plain; charset="utf-8"

Your message to {recipient} couldn't be delivered.

--B3--

--B2
Content-Type: message/delivery-status

Reporting-MTA: dns;PR1P264MB.FRAP264.PROD.OUTLOOK.COM
Received-From-MTA: dns;mail.shop.example
Arrival-Date: Mon, 1 Jun 2026 12:04:58 +0000

Original-Recipient: rfc822;{recipient}
Final-Recipient: rfc822;{recipient}
Action: failed
Status: 5.1.10
Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup
X-Display-Name: {recipient}

--B2
Content-Type: text/rfc822-headers

{original}
--B2--
"""  # noqa: E501
QMAIL = """Return-Path: <>
Date: 1 Jun 2026 12:05:00 -0000
From: MAILER-DAEMON@mail.example.com
To: {to}
Subject: failure notice

Hi. This is the qmail-send program at mail.example.com.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{recipient}>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

{original}
"""
EXIM = """Return-path: <>
Date: Mon, 01 Jun 2026 12:05:00 +0000
From: Mail Delivery System <Mailer-Daemon@mx.example.com>
To: {to}
Subject: Mail delivery failed: returning message to sender
Auto-Submitted: auto-replied
X-Failed-Recipients: {recipient}

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {recipient}
    host mail.example.com [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<{recipient}>:
    550 No such user here

------ This is a copy of the message, including all the headers. ------

{original}
"""
SENDMAIL = """Return-Path: <MAILER-DAEMON@mx.example.com>
Date: Mon, 1 Jun 2026 12:05:00 GMT
From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example.com>
To: {to}
Subject: Returned mail: User unknown

   ----- The following addresses had permanent fatal errors -----
<{recipient}>

   ----- Transcript of session follows -----
... while talking to mail.example.com.:
>>> RCPT To:<{recipient}>
<<< 550 <{recipient}>... User unknown

   ----- Original message follows -----
{original}
"""
FULL = """Return-Path: <>
Date: Mon, 1 Jun 2026 12:05:00 +0000
From: postmaster@mail.example.com
To: {to}
Subject: Delivery failure

<{recipient}>: 552 5.2.2 Mailbox full, over quota

-- original message --
{original}
"""
ARF = """From: <abusedesk@provider.example>
Date: Mon, 1 Jun 2026 14:05:00 +0000
Subject: FW: News
To: {to}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="B4"

--B4
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report for an email message received from IP 192.0.2.1.

--B4
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{sender}>
Original-Rcpt-To: <{recipient}>
Received-Date: Mon, 1 Jun 2026 14:00:00 +0000
Source-IP: 192.0.2.1

--B4
Content-Type: message/rfc822

{original}
--B4--
"""
ABSENT = """From: ada@example.com
To: {to}
Subject: Out of office
Auto-Submitted: auto-replied

I am away until Monday.
"""
