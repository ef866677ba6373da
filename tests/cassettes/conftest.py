"""The report at the end."""


def pytest_terminal_summary(terminalreporter, config):
    judgement = getattr(config, "judgement", None)
    if judgement is not None:
        terminalreporter.section("recorded answers")
        for line in judgement.report():
            terminalreporter.line(line)
