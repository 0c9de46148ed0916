"""The explorer in a headless Chromium: what it shows, how it is used, and that it is shut off."""

from __future__ import annotations

import functools
import json
import random
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from axe_core_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from serverfsm import ActionName, Actor, Server, Status, VmState, follow, plan
from serverfsm.rulebook import RULEBOOKS
from tests.browser.choices import (
    NONE,
    SERVER_ID,
    Choice,
    answer_of,
    choices,
    server_of,
    terms_of,
    verdict_of,
)
from tests.browser.conftest import NARROW, WIDE, Browser

# What the page shows of the chosen action, and of it in the list of all.
SHOWN = """
const text = (selector) => document.querySelector(selector)?.textContent ?? null;
const seen = (action) => {
  const button = document.querySelector(`[data-action="${action}"]`);
  return [
    button.dataset.answer,
    Number(button.querySelector(".code").textContent),
    button.closest(".group").className,
    button.querySelector(".why").textContent,
  ];
};
const shown = (action) => ({
  answer: document.querySelector("#verdict").dataset.answer,
  sentence: text("#verdict strong"),
  code: Number(text("#code")),
  reason: text("#reason"),
  hint: text("#hint"),
  body: text("#body"),
  failures: [...document.querySelectorAll("#failures li")].map((each) => each.textContent),
  status: text("#status"),
  result: text("#result"),
  listed: seen(action),
});
"""


def expected(choice: Choice) -> dict[str, Any]:
    """The same, as the library has it; `result` and the list's last part are looked at apart."""
    verdict = verdict_of(choice)
    server = server_of(choice)
    fault = None if verdict.allowed else verdict.fault(SERVER_ID).body.decode()
    failures = [
        f"{each.attribute} {each.code}: {each.message(SERVER_ID)}" for each in verdict.failures
    ]
    answer = answer_of(verdict)
    return {
        "answer": answer,
        "sentence": answer,
        "code": verdict.code,
        "reason": verdict.reason.value,
        "hint": verdict.hint,
        "body": fault,
        "failures": failures if len(failures) > 1 else [],
        "status": NONE if server is None else server.status.value,
        "listed": [answer, verdict.code, f"group {answer}"],
    }


def shown(browser: Browser, choice: Choice) -> dict[str, Any]:
    found: dict[str, Any] = browser.run(SHOWN + "return shown(arguments[0])", choice["action"])
    return found


def agrees(choice: Choice, found: dict[str, Any]) -> None:
    verdict = expected(choice)
    *listed, why = found.pop("listed")
    result = found.pop("result")
    assert {**found, "listed": listed} == verdict, choice
    assert why == verdict["hint"] or verdict["hint"] is None
    assert f"{choice['action']} is " in result


# --- verdicts


def test_the_page_shows_the_verdicts_of_check(browser: Browser) -> None:
    asked = list(choices(seed=2_104, count=2_100))
    program = (
        SHOWN + "return arguments[0].map((choice) => "
        "{ explorer.choose(choice); return shown(choice.action) })"
    )
    answers = set()
    for start in range(0, len(asked), 300):
        some = asked[start : start + 300]
        for choice, found in zip(some, browser.run(program, some), strict=True):
            answers.add(found["answer"])
            agrees(choice, found)
    assert answers == {"allowed", "depends", "refused"}


def test_the_page_lists_every_action_with_its_verdict(browser: Browser) -> None:
    program = SHOWN + "explorer.choose(arguments[0]); return arguments[1].map((name) => seen(name))"
    names = [name.value for name in ActionName]
    for choice in choices(seed=50, count=40):
        for name, found in zip(names, browser.run(program, choice, names), strict=True):
            verdict = verdict_of(choice, name)
            answer = answer_of(verdict)
            assert found[:3] == [answer, verdict.code, f"group {answer}"], (choice, name)
            assert verdict.allowed or found[3] == verdict.hint


def test_the_page_shows_what_is_chosen_by_hand(browser: Browser) -> None:
    chance = random.Random(7)
    for choice in choices(seed=40, count=12):
        keys = [key for key in choice if key != "action"]
        if choice["vm_state"] == NONE:
            keys = ["vm_state", "role", "microversion", "rulebook"]
        for key in ["vm_state", *chance.sample(keys, 3)]:
            field = browser.driver.find_element(By.CSS_SELECTOR, f"select[name={key}]")
            if field.is_enabled():
                Select(field).select_by_value(choice[key])
        click(browser, f'[data-action="{choice["action"]}"]')
        chosen = browser.run("return explorer.chosen()")
        agrees(chosen, shown(browser, chosen))


def click(browser: Browser, selector: str) -> None:
    element = browser.driver.find_element(By.CSS_SELECTOR, selector)
    browser.run("arguments[0].scrollIntoView({ block: 'center' })", element)
    element.click()


def test_a_state_is_chosen_in_the_picture(browser: Browser) -> None:
    marked = "return [...document.querySelectorAll('.node.chosen')].map((each) => each.id)"
    assert browser.run(marked) == ["state-ACTIVE"]
    for vm_state in VmState:
        status = Server(vm_state).status.value
        browser.run(
            "arguments[0].scrollIntoView()",
            node := browser.driver.find_element(By.ID, f"state-{status}"),
        )
        node.click()
        assert browser.run("return explorer.chosen().vm_state") == vm_state.value
        assert browser.run(marked) == [f"state-{status}"]
        assert node.get_attribute("aria-pressed") == "true"
        assert status in node.accessible_name
        assert browser.text("#status") == status


def test_the_picture_is_that_of_the_rulebook(browser: Browser) -> None:
    for name in RULEBOOKS:
        browser.run("explorer.choose({ rulebook: arguments[0] })", name)
        label = browser.run("return document.querySelector('#canvas svg').ariaLabel")
        assert f"rulebook {name}" in label
        assert browser.run("return document.querySelectorAll('.node.chosen').length") == 1


# --- what follows

# The words of the runs that are offered, and the states of some of them.
STEPS = """
const ways = () => [...document.querySelectorAll("#run:not([hidden]) .way")]
  .map((each) => each.dataset.run);
const steps = () => [...document.querySelectorAll("#steps tbody tr")].map((row) =>
  ["status", "vm_state", "task_state", "power_state"].map((name) =>
    row.querySelector(`[data-name="${name}"]`).firstChild.textContent));
return arguments[0].map((choice) => {
  explorer.choose({ ...choice, run: "done" });
  const words = ways();
  const some = [...new Set([words[0], words.at(-1)])].filter(Boolean);
  return [words, some.map((run) => { explorer.choose({ run }); return [run, steps()] })];
});
"""


def steps_of(choice: Choice, failure: str) -> list[list[str]]:
    """Every state of the run, the one before the request first."""
    server, terms = server_of(choice), terms_of(choice)
    states = [server]
    for step in follow(server, choice["action"], failure=failure, **terms):
        states += [*step.passing, step.server]
    return [parts_of(each) for each in states]


def parts_of(server: Server | None) -> list[str]:
    if server is None:
        return [NONE] * 4
    vm_state, task = server.vm_state, server.task_state
    return [str(server.status), str(vm_state), task or NONE, server.power_state.name]


def test_the_steps_are_those_of_the_library(browser: Browser) -> None:
    asked = list(choices(seed=11, count=400))
    compared = failures = 0
    for choice, (words, runs) in zip(asked, browser.run(STEPS, asked), strict=True):
        assert bool(words) == verdict_of(choice).allowed, choice
        for word, steps in runs:
            assert steps == steps_of(choice, word), (choice, word)
            compared += 1
            failures += word != "done"
    assert compared > 40
    assert failures > 10


def test_the_steps_are_gone_through_one_by_one(browser: Browser) -> None:
    browser.open("action=os-stop&run=done&vm_state=active")
    current = "return document.querySelector('[aria-current=step] th').textContent"
    marked = "return [...document.querySelectorAll('.node.now')].map((each) => each.id)"
    assert browser.run(current) == "▸ 0"
    assert not browser.driver.find_element(By.ID, "previous").is_enabled()
    for number, node in ((1, "state-ACTIVE"), (2, "state-SHUTOFF")):
        click(browser, "#next")
        assert browser.run(current) == f"▸ {number}"
        assert browser.run(marked) == [node]
        assert browser.text("#step").startswith(f"Step {number} of 2")
    assert not browser.driver.find_element(By.ID, "next").is_enabled()
    click(browser, "#previous")
    assert browser.run(current) == "▸ 1"


def test_the_steps_play_by_themselves_and_pause(browser: Browser) -> None:
    browser.open("action=rebuild&run=done&vm_state=active")
    steps = "return Number(explorer.chosen().step)"
    click(browser, "#play")
    assert browser.text("#play") == "Pause"
    WebDriverWait(browser.driver, 10).until(lambda _: browser.run(steps) >= 2)
    click(browser, "#play")
    assert browser.text("#play") == "Play"
    click(browser, "#play")
    WebDriverWait(browser.driver, 20).until(lambda _: browser.text("#play") == "Play")
    assert browser.run(steps) == len(steps_of_rebuild()) - 1


def steps_of_rebuild() -> list[Any]:
    return [None, *follow(Server(VmState.ACTIVE), "rebuild")]


def test_who_wants_no_motion_gets_none(browser: Browser) -> None:
    browser.open("action=rebuild&run=done&vm_state=active", motion="reduce")
    assert browser.text("#play") == "To the end"
    click(browser, "#play")
    assert browser.run("return Number(explorer.chosen().step)") == len(steps_of_rebuild()) - 1
    assert browser.run(
        "return [...document.querySelectorAll('*')].every((each) => "
        "['0s', ''].includes(getComputedStyle(each).transitionDuration))"
    )


# --- plans


PLANS = """
return arguments[0].map((choice) => {
  explorer.choose(choice);
  const steps = [...document.querySelectorAll("#plan li")].map((each) =>
    [".link", "b"].map((part) => each.querySelector(part)?.textContent ?? null));
  return [steps, document.querySelector("#plan").textContent];
});
"""


def test_the_plans_are_those_of_the_library(browser: Browser) -> None:
    chance = random.Random(5)
    asked = [
        {
            "vm_state": chance.choice(list(VmState)),
            "goal": chance.choice(list(Status)),
            "role": chance.choice([Actor.MEMBER, Actor.ADMIN, Actor.READER]),
            "disk": chance.choice(["image", "volume"]),
            "rulebook": chance.choice(list(RULEBOOKS)),
        }
        for _ in range(120)
    ]
    found = 0
    for choice, (steps, text) in zip(asked, browser.run(PLANS, asked), strict=True):
        server = Server(VmState(choice["vm_state"]), volume_backed=choice["disk"] == "volume")
        book = RULEBOOKS[choice["rulebook"]]
        wanted = plan(server, choice["goal"], actor=choice["role"], rulebook=book)
        assert steps == [[step.action, step.wait_for] for step in wanted.steps]
        assert (wanted.reason or "") in text
        found += bool(steps)
    assert found > 10


# --- search


def test_an_action_is_found_and_opened(browser: Browser) -> None:
    field = browser.driver.find_element(By.ID, "find")
    field.send_keys("shelve off")
    names = [each.text for each in browser.driver.find_elements(By.CSS_SELECTOR, "#found b")]
    assert "shelveOffload" in names
    field.clear()
    field.send_keys("os-sto", Keys.ENTER)
    assert browser.run("return explorer.chosen().action") == "os-stop"
    assert not browser.driver.find_element(By.ID, "found").is_displayed()


@pytest.mark.parametrize(
    ("word", "vm_state", "task_state"),
    [
        ("VERIFY_RESIZE", "resized", NONE),
        ("HARD_REBOOT", "active", "rebooting_hard"),
        ("resize_prep", "active", "resize_prep"),
        ("soft-delete", "soft-delete", NONE),
    ],
)
def test_a_state_is_found_and_chosen(
    browser: Browser, word: str, vm_state: str, task_state: str
) -> None:
    browser.driver.find_element(By.ID, "find").send_keys(word, Keys.ENTER)
    chosen = browser.run("return explorer.chosen()")
    assert (chosen["vm_state"], chosen["task_state"]) == (vm_state, task_state)


def test_what_is_not_found_is_said(browser: Browser) -> None:
    browser.driver.find_element(By.ID, "find").send_keys("<b>nowhere")
    assert browser.text("#found-count") == "nothing found"


# --- links

WHOLE = "return [document.querySelector('main').innerText, explorer.chosen()]"


def test_a_link_shows_the_same_again(browser: Browser) -> None:
    for choice in choices(seed=3, count=8):
        browser.run("explorer.choose({ ...arguments[0], goal: 'SHUTOFF' })", choice)
        here = browser.run(WHOLE)
        link = browser.run("return location.hash.slice(1)")
        browser.open(link)
        assert browser.run(WHOLE) == here
        assert not browser.driver.find_element(By.ID, "complaint").is_displayed()


def test_back_and_forward_go_through_the_choices(browser: Browser) -> None:
    click(browser, '[data-action="pause"]')
    click(browser, "#next")  # a step is no place to go back to
    click(browser, '[data-action="os-stop"]')
    chosen = "return explorer.chosen()"
    wait = WebDriverWait(browser.driver, 5)
    browser.driver.back()
    wait.until(lambda _: browser.run(chosen)["action"] == "pause")
    assert browser.run(chosen)["step"] == "1"
    assert browser.text("#detail-title") == "pause"
    browser.driver.back()
    wait.until(lambda _: browser.run(chosen)["action"] == "")
    browser.driver.forward()
    browser.driver.forward()
    wait.until(lambda _: browser.run(chosen)["action"] == "os-stop")


HOSTILE = [
    "<script>alert(1)</script>",
    "vm_state=<img src=x onerror=alert(1)>&action=<svg onload=alert(1)>",
    quote("vm_state=active&action='\"><script>alert(1)</script>", safe="=&"),
    "javascript:alert(1)",
    "__proto__=polluted&constructor=x&toString=y&hasOwnProperty=z",
    "__proto__[vm_state]=active",
    "step=-1&step=1e9&step=99999999999999999999",
    "vm_state=active&vm_state=%00&vm_state=%ff%fe&%E0%A4%A",
    "microversion=2.105&role=root&rulebook=constructor",
    "run=__proto__&action=__proto__&goal=__proto__",
    "a" * 100_000,
    "&".join(f"key{number}=x" for number in range(150)),
    "=&=&&&===",
    "%%%%%",
    "\u202etxet\u2028\ud7ff",
]


@pytest.mark.parametrize("link", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_link_is_told_and_does_nothing(browser: Browser, link: str) -> None:
    before = browser.run("return document.querySelectorAll('script, img, iframe').length")
    browser.open(link)
    assert browser.driver.find_element(By.ID, "complaint").is_displayed()
    complaint = browser.text("#complaint")
    assert complaint.startswith("The link is not understood: ")
    assert len(complaint) < 600
    assert browser.run("return document.querySelectorAll('script, img, iframe').length") == before
    assert browser.run("return Object.keys(Object.prototype).length + ('polluted' in {})") == 0
    assert browser.text("#status") == "ACTIVE"
    browser.run("location.hash = 'vm_state=paused&action=unpause'")
    wait = WebDriverWait(browser.driver, 5)
    wait.until(lambda _: browser.text("#status") == "PAUSED")
    assert not browser.driver.find_element(By.ID, "complaint").is_displayed()


def test_what_of_a_link_is_right_is_taken(browser: Browser) -> None:
    browser.open("vm_state=stopped&action=os-start&step=999&role=root")
    chosen = browser.run("return explorer.chosen()")
    assert (chosen["vm_state"], chosen["action"], chosen["role"]) == (
        "stopped",
        "os-start",
        "member",
    )
    assert browser.text("#complaint").count('role cannot be "root"') == 1
    assert browser.text("#step").startswith("Step 2 of 2")


def test_random_links_break_nothing(browser: Browser) -> None:
    chance = random.Random(9)
    words = [
        "vm_state",
        "task_state",
        "run",
        "step",
        "lock",
        "active",
        "none",
        "",
        "1",
        "\x00",
        "<",
    ]
    links = [
        urlencode(
            [(chance.choice(words), chance.choice(words)) for _ in range(chance.randint(1, 9))]
        )
        for _ in range(100)
    ]
    statuses = browser.run(
        "return (async () => {"
        " const seen = [];"
        " for (const link of arguments[0]) {"
        "  location.hash = link;"
        "  await new Promise((go) => setTimeout(go, 5));"
        "  seen.push(document.querySelector('#status').textContent);"
        " } return seen })()",
        links,
    )
    assert set(statuses) <= {*Status, NONE}
    assert len(statuses) == len(links)


# --- the keyboard


def focus(browser: Browser) -> str:
    return str(
        browser.run(
            "const e = document.activeElement;"
            "return e.id || e.name || e.dataset.action || e.dataset.run || e.className || e.tagName"
        )
    )


def press(browser: Browser, *keys: str) -> None:
    ActionChains(browser.driver).send_keys(*keys).perform()


def tab_to(browser: Browser, wanted: str, most: int = 120) -> None:
    for _ in range(most):
        press(browser, Keys.TAB)
        if focus(browser) == wanted:
            assert browser.run(
                "return getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            )
            return
    raise AssertionError(f"{wanted} is not reached by the Tab key")


def test_the_keyboard_is_enough(browser: Browser) -> None:
    tab_to(browser, "skip", 1)
    tab_to(browser, "find")
    tab_to(browser, "vm_state")
    press(browser, "s", "t", "o")
    assert browser.run("return explorer.chosen().vm_state") == "stopped"
    tab_to(browser, "state-SUSPENDED")
    press(browser, Keys.ENTER)
    assert browser.text("#status") == "SUSPENDED"
    assert focus(browser) == "state-SUSPENDED"
    tab_to(browser, "goal")
    press(browser, "A", "C")
    assert browser.text("#plan .link") == "resume"
    tab_to(browser, "resume")
    press(browser, Keys.SPACE)
    assert browser.text("#detail-title") == "resume"
    tab_to(browser, "driver-error")
    press(browser, Keys.ENTER)
    tab_to(browser, "next")
    press(browser, Keys.ENTER, Keys.ENTER)
    assert browser.text("#step").startswith("Step 2 of 2: it fails: driver-error")


def test_everything_is_reached_once_and_in_order(browser: Browser) -> None:
    browser.open("action=resize&run=done&goal=SHELVED_OFFLOADED&vm_state=active&step=1")
    reachable = browser.run(
        "const all = 'a[href], button, input, select, summary, [tabindex]';"
        "return [...document.querySelectorAll(all)]"
        ".filter((each) => !each.disabled && each.tabIndex >= 0 && each.checkVisibility())"
        ".map((each) => { each.dataset.order = ''; return each }).length"
    )
    seen = []
    browser.run("document.activeElement.blur()")
    for _ in range(reachable):
        press(browser, Keys.TAB)
        seen.append(
            browser.run(
                "const all = [...document.querySelectorAll('[data-order]')];"
                "return all.indexOf(document.activeElement)"
            )
        )
    assert seen == sorted(seen)
    assert len(set(seen)) == reachable > 90


def test_the_skip_link_leads_to_the_answer(browser: Browser) -> None:
    press(browser, Keys.TAB, Keys.ENTER)
    assert focus(browser) == "result"
    assert browser.run("return location.hash") == ""


# --- what is told to those who do not see it


def test_the_answer_is_announced(browser: Browser) -> None:
    click(browser, '[data-action="unpause"]')
    role = browser.driver.find_element(By.ID, "result").get_attribute("role")
    assert role == "status"
    assert browser.text("#result").startswith("unpause is refused, 409.")
    name = browser.driver.find_element(By.CSS_SELECTOR, '[data-action="unpause"]').accessible_name
    assert name.startswith("refused: unpause")


LINKS = [
    "",
    "action=os-stop&run=driver-error&step=1&goal=SHUTOFF&vm_state=paused",
    "action=resize&run=done&step=3&goal=SHELVED_OFFLOADED&vm_state=active",
    "action=lock&run=done&step=1&vm_state=shelved&role=admin&rulebook=nova-34",
    "action=migrate&vm_state=error&lock=admin&task_state=deleting&nonsense=1",
    "action=create&run=done&step=2&vm_state=none",
]
SCREENS = [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")]


@pytest.mark.parametrize(("size", "scheme"), SCREENS, ids=lambda each: str(each))
def test_axe_finds_nothing_serious(browser: Browser, size: tuple[int, int], scheme: str) -> None:
    tested = 0
    for link in LINKS[1::2] if scheme == "light" else LINKS[2::2]:
        browser.open(link, size=size, scheme=scheme, motion="reduce")
        browser.run("document.getElementById('find').value = 'shelv'")
        browser.run("document.getElementById('find').dispatchEvent(new Event('input'))")
        browser.run(AXE_SCRIPT)
        report = browser.driver.execute_async_script(
            "const done = arguments[0];axe.run().then(done, (error) => done({ error: `${error}` }))"
        )
        found = [
            f"{each['id']}: {node['target']} {node['failureSummary']}"
            for each in report["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]
        assert found == []
        tested += len(report["passes"])
    assert tested > 40


@pytest.mark.parametrize("width", [320, 380, 600, 760, 1000, 1280])
def test_the_page_is_never_wider_than_the_screen(browser: Browser, width: int) -> None:
    for link in LINKS:
        browser.open(link, size=(width, 800))
        assert browser.run("return document.documentElement.scrollWidth") <= width, link


def test_on_a_narrow_screen_the_answer_comes_into_sight(browser: Browser) -> None:
    browser.open(size=NARROW)
    click(browser, '[data-action="lock"]')
    top = "return document.querySelector('#detail').getBoundingClientRect().top"
    assert 0 <= browser.run(top) < NARROW[1] / 2
    click(browser, "#back")
    assert focus(browser) == "lock"


# --- no network


def test_nothing_is_asked_of_any_server(browser: Browser) -> None:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    page = Path(browser.address.removeprefix("file://"))
    handler = functools.partial(Handler, directory=str(page.parent))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/{page.name}"
        browser.driver.get(f"{address}#vm_state=paused&action=unpause")
        browser.wait("return 'explorer' in globalThis")
        click(browser, "#next")
        assert browser.text("#status") == "PAUSED"
        resources = browser.run(
            "return performance.getEntriesByType('resource').map((each) => each.name)"
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == [f"/{page.name}"]
    assert [name for name in resources if not name.startswith(("blob:", "data:"))] == []


def test_the_page_could_not_ask_if_it_wanted(browser: Browser) -> None:
    refused = browser.driver.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:9/').then(() => done(false), () => done(true))"
    )
    assert refused
    messages = browser.complaints()
    assert any("Content Security Policy" in message for message in messages), json.dumps(messages)
