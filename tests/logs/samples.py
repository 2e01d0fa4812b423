"""The first lines of a log of each format, written here; addresses are of documentation, private, or of anybody."""

from __future__ import annotations

import json

CLF = "10/Jun/2026:13:55:36 +0000"
ALB = (
    "https 2026-06-10T13:55:36.186641Z app/web/50dc6c495c0c9188 8.8.8.8:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 "
    '366 "GET https://www.example.com:443/ HTTP/1.1" "curl/8.0 (x)" - - arn:aws:elb "Root=1-5" "-" "-" 0 '
    '2026-06-10T13:55:36.183000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
)
W3C = "#Version: 1.0\n#Fields: date time cs-method c-ip sc-status\n2026-06-10 13:55:36 GET 8.8.8.8 200\n"
IIS = (
    "#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-06-10 13:55:36\n"
    "#Fields: date time s-ip cs-method cs-uri-stem c-ip sc-status X-Forwarded-For\n"
    "2026-06-10 13:55:36 10.0.0.1 GET / 10.0.0.2 200 8.8.8.8,+10.0.0.9\n"
)
CLOUDFRONT = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method\n"
    "2026-06-10\t13:55:36\tFRA2\t2390\t8.8.8.8\tGET\n"
)
ZOOM = (
    "Meeting ID,Topic\n101,x\n\n"
    "Name (Original Name),User Email,Join Time,Leave Time,IP Address\n"
    "A,a@example.com,x,y,8.8.8.8\nB,b@example.com,x,y,\nC,c@example.com,x,y,8.8.8.8.\n"
)


def json_lines(*objects: object) -> str:
    """Each object on a line."""
    return "".join(json.dumps(it) + "\n" for it in objects)


CADDY = json_lines({"level": "info", "ts": 1.5e9, "request": {"remote_ip": "8.8.8.8", "headers": {}}, "status": 200})
TRAEFIK = json_lines({"ClientAddr": "8.8.8.8:1", "ClientHost": "8.8.8.8", "StartUTC": "2026-06-10T13:55:36.1Z"})
LOGPUSH = json_lines(
    {"ClientIP": "8.8.8.8", "ClientCountry": "us", "EdgeStartTimestamp": 1781099736000000000},
    {"ClientIP": "1.12.0.1", "ClientCountry": "us", "EdgeStartTimestamp": 1781099737000000000},
    {"ClientIP": "10.0.0.1", "ClientCountry": "de", "EdgeStartTimestamp": 1781099738000000000},
    {"ClientIP": "8.8.4.4", "ClientCountry": "T1", "EdgeStartTimestamp": 1781099739000000000},
    {"ClientIP": "8.8.4.4", "EdgeStartTimestamp": 1781099739000000000},
)
NGINX = json_lines({"remote_addr": "8.8.8.8", "time_iso8601": "2026-06-10T13:55:36+00:00", "http_x_forwarded_for": ""})

SAMPLES = {  # format: text
    "common": f'8.8.8.8 - frank [{CLF}] "GET / HTTP/1.0" 200 2326\nhost.example - - [{CLF}] "-" 400 0\n',
    "combined": f'8.8.8.8 - - [{CLF}] "GET /\\" HTTP/1.0" 200 2326 "http://a.example/" "Mozilla/5.0 (x)"\n',
    "vhost": f'www.example.com:443 8.8.8.8 - - [{CLF}] "GET / HTTP/1.0" 200 2326 "-" "Mozilla/5.0"\n',
    "jsonl": CADDY,
    "alb": ALB + "\n",
    "w3c": W3C,
    "csv": "when,client_ip,bytes\n2026-06-10T13:55:36Z,8.8.8.8,17\n2026-06-10T13:55:37Z,10.0.0.1,18\n",
    "tsv": "time\taddress\n2026-06-10T13:55:36Z\t8.8.8.8\n",
    "participants": ZOOM,
}
