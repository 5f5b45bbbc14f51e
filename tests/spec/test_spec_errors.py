"""Every way to get a spec wrong: where the error points, and what it says."""

from __future__ import annotations

import re

import pytest

from rsgadvise.errors import SpecError
from rsgadvise.spec import Spec, load_spec, parse_spec
from rsgadvise.spec.load import rule_of

NETWORK = "network: {kind: single_layer, layers: [784, 10]}\n"
MULTILAYER = "network: {kind: multilayer, layers: [784, 200, 10], weight_bound: 0.05}\n"


def fails(text: str, overrides: tuple[str, ...] = ()) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, file="s.yaml", overrides=overrides)
    assert "\n" not in str(caught.value)
    return caught.value


# text, and what is said of it: line:column and key, or the key alone, and parts of the message in their order
WHOLE = [
    ("", "-: must hold a spec .. empty .. rsgadvise init FILE"),
    ("# a\n# b\n", "-: empty"),
    ("---\n", "-: empty"),
    ("- a\n", "1:1: must be sections .. got a list of 1 entry"),
    ("hello\n", "1:1: must be sections .. got 'hello'"),
    ("data: {mean: 0.1}\n", "1:1 network: must be given .. kind: single_layer"),
    ("data:\nnetwork:\n", "2:1 network: must be given"),
    ("network: {kind: single_layer}\n", "1:1 network.layers: add `layers: [784, 10]`"),
    ("network:\n  kind:\n  layers: [2, 1]\n", "2:3 network.kind: must be given"),
    (NETWORK + NETWORK, "2:1 network: given once .. first on line 1"),
    ("? [a]\n: 1\n", "1:3: text as its keys .. a list as a key"),
    ("{[a]: 1}", "1:2: a list as a key"),
    ("{{a: 1}: 1}", "1:2: a section as a key"),
    ("network:\n\tkind: single_layer\n", "2:1 network: got a tab .. replace every tab"),
    ("network:\t5\n", "1:9 network: got a tab"),
    (NETWORK + "---\n" + NETWORK, "2:1: one document"),
    ("network: {layers: [1, 2\n", ": valid YAML .. bracket"),
    ("network: {kind: a", ": a bracket that is never closed"),
    ("network: kind: single_layer\n", "1:14: a second ': '"),
    ("network:\n    kind: a\n  layers: [1]\n", ": valid YAML"),
    ('network: "\\UFFFFFFFF"\n', "1:11 network: \\UFFFFFFFF"),
    ('network: "\\q"\n', ": escape"),
    ("%YAML 1." + "1" * 5000 + "\n---\na: 1", "-: must be valid YAML"),
    ("network: \x00\n", "1:10: printable .. U+0000"),
    ("network: 1\n# \x07\n", "2:3: U+0007"),
    ("network: 1 # \u2028\n", "1:14: U+2028"),
    ("# \ud800\n", "1:3: U+D800"),
    ("# a\ufeff\n", ": U+FEFF"),
    ("network: {kind: multylayer, layers: [2, 1]}", "1:17 network.kind: did you mean 'multilayer'?"),
    ("network: {kind: xyz, layers: [2, 1]}", "1:17 network.kind: one of single_layer"),
    ("network: {kind: 3, layers: [2, 1]}", "1:17 network.kind: got 3"),
    ("network: {kind: single_layer, layers: 784}", "1:39 network.layers: brackets"),
    ("network: {kind: single_layer, layers: [784]}", "1:39 network.layers: list of 2 to 1000"),
    ("network: {kind: single_layer, layers: [784, 0]}", "1:45 network.layers[1]: got 0 .. 1 or more"),
    ("network: {kind: single_layer, layers: [784, ~]}", "network.layers[1]: got nothing"),
    ("network: {kind: single_layer, layers: [2e9, 1]}", "network.layers[0]: 1e9 or less"),
    ("network: {kind: single_layer, layers: [3, 2, 1]}", "network.layers: [d_in, d_out]"),
    (
        "network: {kind: autoencoder, layers: [3, 2, 1], weight_bound: 1}",
        "network.layers: [d_x, d_h] .. kind: multilayer",
    ),
    (
        "network: {kind: single_layer, layers: [2, 1], weight_bound: 1}",
        "network.weight_bound: must be absent .. remove it",
    ),
    (
        "network: {kind: autoencoder, layers: [2, 1], weight_bound: none}",
        "1:60 network.weight_bound: need a box .. got 'none' .. leave it out, and 5 is assumed",
    ),
    (
        "network: {kind: autoencoder, layers: [2, 1], weight_bound: [1, 2]}",
        "network.weight_bound: list of 1 .. got a list of 2 entries",
    ),
    (
        "network: {kind: multilayer, layers: [3, 2, 1], weight_bound: [1, 2, 3]}",
        "network.weight_bound: list of 2 .. one number for every layer",
    ),
    (
        "network: {kind: multilayer, layers: [3, 2, 1], weight_bound: [1, -2]}",
        "network.weight_bound[1]: from 0 to 1000000 .. -2",
    ),
    (MULTILAYER + "training: {pretraining: {tolerance: 0}}", "training.pretraining.tolerance: above 0"),
    (MULTILAYER + "training: {stepsize: [1, 2, 3]}", "training.stepsize: a list of 2"),
    (MULTILAYER + "training: {stepsize: [1, 0]}", "2:26 training.stepsize[1]: above 0"),
    (MULTILAYER + "training: {keep_prob: 0}", "training.keep_prob: from 1e-06 to 1"),
    (MULTILAYER + "training: {keep_prob: 1.1}", "training.keep_prob: lower it to 1"),
    (MULTILAYER + "search: {keep_prob: {min: 0, max: 1}}", "search.keep_prob.min: from 1e-06"),
    (
        "network: {kind: multilayer, layers: [4, 3, 2], weight_bound: [1, 1e-301]}",
        "network.weight_bound[1]: 0, or between 1e-300",
    ),
    ("network: {kind: single_layer, layerz: [2, 1]}", "1:31 network.layerz: did you mean 'layers'?"),
    ("zzz: 1\n" + NETWORK + "data: {mean: 2}\n", "1:1 zzz: (and 1 more problem)"),
]
SECTIONS = [
    ("data: 5", "2:7 data: section of keys .. got 5 .. mean"),
    ("training: [1]", "2:11 training: section .. list of 1 entry"),
    ("data:\n  mean: 0.1\n  mean: 0.2", "4:3 data.mean: first on line 3"),
    ("5: 1", "2:1: text as its keys .. got 5"),
    ("~: 1", "2:1: text as its keys .. got nothing"),
    ("true: 1", "2:1: got true"),
    ("data: !!python/object:os.system {a: 1}", "2:7 data: free of tags"),
    ("data: {mean: !foo 0.1}", "2:14 data.mean: '!foo' .. remove it"),
    ("data: {mean: !!str 0.1}", "2:14 data.mean: free of tags"),
    ("data: &d {mean: 0.1}", "2:7 data: free of anchors .. '&d'"),
    ("data: *d", "2:7 data: written out .. '*d'"),
    ("data: {<<: {mean: 0.1}}", "2:8 data: merge keys"),
    ("data: {file: 'a}", "2:14 data.file: never closed"),
    ("data: {mean: .nan}", "2:14 data.mean: from 0 to 1 .. got nan .. finite"),
    ("training: {stepsize: .inf}", "2:22 training.stepsize: got inf .. finite"),
    ("training: {stepsize: 1e999}", "2:22 training.stepsize: finite"),
    ("data: {samples: -3}", "2:17 data.samples: from 1 to 1e15 .. -3"),
    (f"data: {{samples: 1{'0' * 400}}}", "2:17 data.samples: finite"),
    (f"data: {{samples: 1{'0' * 20}}}", "2:17 data.samples: 1e15 or less"),
    ("data: {samples: 1.5}", "2:17 data.samples: an integer .. 1.5 .. round it"),
    ("data: {mean: true}", "2:14 data.mean: got true .. not numbers"),
    ("data: {mean: yes}", "2:14 data.mean: got 'yes'"),
    ("data: {mean: '0.1'}", "2:14 data.mean: remove the quotes .. 0.1"),
    ("data: {samples: 60_000}", "2:17 data.samples: '60_000' .. write 60000"),
    ("data:\n  samples: 60,000", "3:12 data.samples: write 60000"),
    ("data: {samples: 010}", "2:17 data.samples: write 10"),
    ("data: {samples: 0x10}", "2:17 data.samples: '0x10' .. plain number"),
    ("data: {mean: [0.1]}", "2:14 data.mean: list of 1 entry"),
    ("data: {mean: {a: 1}}", "2:8 data.mean: a section {a:}"),
    ("data: {mean: 1.5}", "2:14 data.mean: from 0 to 1 .. 1.5 .. 1 or less"),
    ("data: {mean: 0.1, mean_square: 0.2}", "data.mean_square: mean = 0.1"),
    ("data: {mean: 0.5, mean_square: 0.2}", "data.mean_square: mean**2 = 0.25"),
    (
        "data: {mean: 0.5, mean_square: 0.3, second_moment: 0.29}",
        "data.second_moment: from mean_square = 0.3 to mean = 0.5 .. rsgadvise stats",
    ),
    ("data: {mean: 0.5, second_moment: 0.6}", "data.second_moment: mean = 0.5"),
    ("data: {mean_square: 0.5, second_moment: 0.4}", "data.second_moment: to 1"),
    (
        "data: {mean: 0.5, mean_square: 0.3, top_eigenvalue: 235}",
        "data.top_eigenvalue: 784 * mean_square = 235.2 .. 784 * mean = 392",
    ),
    ("data: {mean: 0.5, top_eigenvalue: 195}", "data.top_eigenvalue: 784 * mean**2 = 196 .. got 195"),
    ("data: {second_moment: 0.5, top_eigenvalue: 393}", "data.top_eigenvalue: 784 * second_moment = 392"),
    ("data: {top_eigenvalue: 785}", "data.top_eigenvalue: 784 * 1 = 784"),
    ("data: {file: 5}", "2:14 data.file: must be text .. in quotes"),
    ("data: {target: 0.5}", "data.target: number of a column .. got 0.5"),
    ("data: {file: ''}", "data.file: printable"),
    ('data: {file: "a\\0"}', "data.file: printable .. 'a\\x00'"),
    ("training: {initial_loss: 0}", "training.initial_loss: above 0 .. got 0"),
    ("training: {initial_loss: 11}", "training.initial_loss: at most 10"),
    ("training: {pretraining: {tolerance: 1}}", "2:12 training.pretraining: multilayer"),
    ("training: {stepsize: [1, 2]}", "2:22 training.stepsize: one number for kind"),
    ("training: {batch_size: 0}", "training.batch_size: from 1 to 1e12"),
    ("training: {iterations: 1e16}", "training.iterations: from 1 to 1e15"),
    ("training: {keep_prob: 0.5}", "training.keep_prob: no dropout .. kind: multilayer"),
    ("training: {decay: 3}", "training.decay: from 0 to 2"),
    ("training: {stopping: unifrom}", "training.stopping: did you mean 'uniform'? .. list"),
    ("training: {stopping: [0.5, 0.4]}", "training.stopping: sum to 1 .. 0.9"),
    ("training: {stopping: [1.5, -0.5]}", "2:23 training.stopping[0]: 1 more problem"),
    (
        "training: {iterations: 3, stopping: [0.5, 0.5]}",
        "training.stopping: a list of 3 .. set iterations: 2",
    ),
    ("search: {batch_size: []}", "search.batch_size: list of 1 .. 0 entries"),
    ("search: {batch_size: [16, 32, 16]}", "2:31 search.batch_size[2]: different"),
    ("search: {batch_size: 16}", "search.batch_size: training.batch_size"),
    ("search: {batch_size: {min: 9, max: 8}}", "search.batch_size.min: max = 8 .. swap"),
    ("search: {batch_size: {max: 2e12}}", "search.batch_size.max: 1e12"),
    ("search: {batch_size: {min: 9}}", "2:10 search.batch_size.max: must be given"),
    ("search: {keep_prob: {min: 0.5, max: 1}}", "search.keep_prob: no dropout"),
    ("search: {iterations: 5}", "search.iterations: training.iterations"),
    ("search: {iterations: {min: 5, max: 4}}", "search.iterations.min: swap"),
    ("search: {decay: [0, 2.5]}", "search.decay[1]: from 0 to 2"),
    ("target: {eps: 0, delta: 0.1}", "target.eps: above 0"),
    ("target: {eps: 1, delta: 1}", "target.delta: above 0 and below 1 .. a value below 1"),
    ("target: {eps: 1}", "2:1 target.delta: add `delta: 0.05` to target"),
    ("target: {eps: 1, delta: 0.1, runs: 0}", "target.runs: from 1 to 1e6"),
    ("budget: {seconds: 5}", "2:19 budget.seconds: cost section .. per_iteration"),
    ("budget: {epochs: 5}", "budget.epochs: data.samples or data.file"),
    ("cost: {per_iteration: 0}", "2:1 cost: above 0"),
    ("cost: {per_sample: -1}", "cost.per_sample: from 0 to 1e+100"),
    ("data: {mean: 5e-324}", "data.mean: 0, or between 1e-300 .. write 0, or"),
    (
        "training: {initial_loss: 5e-324}",
        "2:26 training.initial_loss: must be between 1e-300 and 1e+300 in size .. write 1e-300 or more",
    ),
    ("training: {stepsize: 1e308}", "training.stepsize: lower it to 1e+300"),
    ("data: {samples: 1}\nbudget: {epochs: 1e101}", "budget.epochs: at most 1e+100; got 1e+101"),
    (
        "training: {bacth_size: 5}",
        "2:12 training.bacth_size: unknown key 'bacth_size'; did you mean 'batch_size'?",
    ),
    ("data: {maen: }", "2:8 data.maen: did you mean 'mean'?"),
    ("target: {epz: }", "2:10 target.epz: did you mean 'eps'?"),
    ("trainign: {}", "2:1 trainign: did you mean 'training'?"),
    ("data: {batch_size: 5}", "data.batch_size: 'batch_size' belongs under training or search"),
    ("stepsize: 5", "2:1 stepsize: 'stepsize' belongs under training"),
    ("data: {network: 5}", "data.network: belongs at the top level"),
    ("search: {iterations: {maxx: 6}}", "search.iterations.maxx: 'max'"),
    ("data: {qqqq: 1}", "data.qqqq: the keys here are mean, mean_square"),
    ('data: {"a\\n\\0b": 1}', ": unknown key 'a\\n\\x00b'"),
    (f"data: {{? {'k' * 5000} : 1}}", ": unknown key .. kkk...'"),
    ("data: {mean: 2}\ntraining: {decay: 1, decay: 2}\nqqqqq: 1", "2:14 data.mean: (and 2 more problems)"),
]
BAD = [*WHOLE, *((NETWORK + section, said) for section, said in SECTIONS)]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said for _, said in BAD])
def test_bad_spec(text: str, said: str) -> None:
    error = fails(text)
    where, _, parts = said.partition(": ")
    assert error.file == "s.yaml"
    if where == "-":
        assert error.line is None
    elif where:
        place = f"{error.line}:{error.column} {error.key}".rstrip()
        assert where in (place, error.key)
    for part in parts.split(" .. "):
        assert part in error.message


def test_thousands_of_unknown_keys_are_counted() -> None:
    error = fails(NETWORK + "".join(f"key{index}: 1\n" for index in range(3000)))
    assert error.line == 2
    assert "(and 2999 more problems)" in error.message


def test_one_mistake_is_one_problem() -> None:
    assert "more problem" not in fails(NETWORK + "data: {mean: !x two}").message


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(newline: str) -> None:
    text = newline.join(["network:", "  kind: single_layer", "  layers: [784, 0]"])
    error = fails(text)
    assert (error.line, error.column) == (3, 17)


def test_columns_after_a_byte_order_mark() -> None:
    assert fails("\ufeffnetwork: 5").column == 10


def test_the_message_of_an_error_in_full() -> None:
    assert str(fails(NETWORK + "data:\n  samples: 60_000\n")) == (
        "s.yaml:3:12: data.samples: must be an integer from 1 to 1e15; got '60_000'; write 60000"
    )


def test_errors_of_loading_name_the_file(tmp_path: object) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(f"{tmp_path}/a\nb.yaml")
    assert "a\\nb.yaml" in str(caught.value)
    assert "rsgadvise init" in str(caught.value)


FOREIGN = [
    ("network", "Activation_Function", "called activation"),
    ("network", "use_bias", "network.bias, true or false"),
    ("network", "criterion", "called loss"),
    ("network", "hidden_layer_sizes", "network.layers"),
    ("network", "dropout", "the dropout rate is 1 - keep_prob"),
    ("training", "solver", "training.optimizer"),
    ("training", "momentum", "{name: momentum, beta: 0.9}"),
    ("training", "weight_decay", "nothing else is added"),
    ("training", "learningRate", "called stepsize"),
    ("training", "learning-rate", "called stepsize"),
    ("training", "early_stopping", "training.stopping draws"),
    ("training", "max_steps", "called iterations"),
    ("training", "max_iter", "budget.epochs"),
    ("training", "mini_batch_size", "called batch_size"),
    ("data", "filename", "data.file"),
    ("network", "model", "under network"),
    ("training", "epochs", "'epochs' belongs under budget"),
    ("training", "max_epochs", "budget.epochs"),
    ("training", "lr_scheduler", "give training.decay"),
    ("data", "labels", "data.target"),
    ("data", "normalize", "data.scaling"),
]


def told(section: str, key: str) -> str:
    """What is said of a key in a section that does not have it."""
    inside = f", {key}: 0.1" if section == "network" else ""
    text = f"network: {{kind: single_layer, layers: [784, 10]{inside}}}\n"
    return fails(text if inside else f"{text}{section}: {{{key}: 0.1}}").message


@pytest.mark.parametrize(("section", "key", "part"), FOREIGN, ids=[key for _, key, _ in FOREIGN])
def test_words_of_other_tools_get_a_true_answer(section: str, key: str, part: str) -> None:
    message = told(section, key)
    assert message.startswith(f"unknown key '{key}'; ")
    assert part in message
    assert "did you mean" not in message
    # At the top level, where a section may be looked for, the answer is the same.
    assert part in fails(f"network: {{kind: single_layer, layers: [784, 10]}}\n{key}: 0.1").message


def test_every_key_that_an_answer_names_exists() -> None:
    """An answer must not send anybody on to a second error."""
    named = set[str]()
    for section, word, _ in FOREIGN:
        meant = told(section, word)
        named |= set(re.findall(r"\b(?:network|data|training|search|budget)\.[a-z_]+", meant))
        for key, sections in re.findall(r"(\w+),? (?:which |and )?belongs under ((?:\w+ or )?\w+)", meant):
            named |= {f"{each}.{key}" for each in sections.split(" or ")}
    for key in named:
        assert rule_of(key), key
    assert {"training.stepsize", "search.iterations", "budget.epochs", "network.layers"} <= named


@pytest.mark.parametrize("section", sorted(Spec.sections))
def test_a_key_in_the_wrong_place_is_told_its_own(section: str) -> None:
    """No key of a spec is taken for a word of other tools."""
    for key in Spec.sections[section].model_fields:
        if key not in Spec.model_fields:
            assert re.search(rf"'{key}' belongs under [\w or]*\b{section}\b", fails(f"{key}: 1").message), key


def test_a_fraction_below_a_half_is_rounded_to_a_number_that_is_allowed() -> None:
    message = fails(NETWORK + "training: {batch_size: 0.4}\n").message
    assert message.endswith("; got 0.4; round it, for example to 1")


def test_an_eigenvalue_at_either_end_of_its_range_may_be_rounded() -> None:
    """784 * 0.1**2 is not 7.84 in floating point."""
    assert 784 * 0.1**2 > 7.84
    for mean, value in ((0.1, 7.84), (0.1, 78.4 * (1 + 1e-12))):
        assert parse_spec(NETWORK + f"data: {{mean: {mean}, top_eigenvalue: {value!r}}}\n", file="s.yaml")
    for value in (7.83, 78.5):
        error = fails(NETWORK + f"data: {{mean: 0.1, top_eigenvalue: {value}}}\n")
        assert "from 784 * mean**2 = 7.84 to 784 * mean = 78.4" in error.message


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_character_that_cannot_be_used_is_found_whatever_ends_the_lines(newline: str) -> None:
    error = fails("# one\n# two\n# é\x07\n".replace("\n", newline))
    assert (error.line, error.column) == (3, 4)
    assert "U+0007" in error.message
