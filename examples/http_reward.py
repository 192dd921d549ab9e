"""A reward that asks a service: POST {"joints": [N][T][22][3], "captions": [N]} -> {"rewards": [N]}, each in 0..1.

REWARD_URL=http://127.0.0.1:8000/score sopo align --method usopo --reward http_reward:reward ...

The time-out is this file's; what fails is asked for again, three times in all, and then ends the run in one line,
which the same command takes up again from its last checkpoint.
"""

import json
import os
from urllib.request import Request, urlopen

import sopo

TIMEOUT = 10.0  # seconds


def ask(joints, lengths, captions):
    """The service's rewards, one for each motion."""
    clips = [clip[:frames].round(4).tolist() for clip, frames in zip(joints, lengths, strict=True)]
    body = json.dumps({"joints": clips, "captions": captions}).encode()
    request = Request(os.environ["REWARD_URL"], body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=TIMEOUT) as answer:
        return json.load(answer)["rewards"]


reward = sopo.load_reward(ask, range=(0.0, 1.0), batch_size=32, attempts=3, pause=0.5)
