"""PyTorch: modules, parameter groups for the stepsizes, a clamp for the box."""

from __future__ import annotations

from rsgadvise.emit import parts
from rsgadvise.emit.plan import Plan

__all__ = ["snippet"]


def snippet(plan: Plan) -> str:
    """The whole file."""
    top = "\n\n".join(
        [
            parts.header(plan),
            parts.imports(plan, "import torch", "from torch import nn"),
            parts.constants(plan, "p of nn.Dropout"),
        ]
    )
    return parts.without_empty(
        top,
        parts.load(plan),
        _MASK if plan.masked else "",
        _autoencoder(plan) if plan.tied else "",
        _make_model(plan),
        _LOSS,
        parts.draw_stop(plan),
        _DRAW_BATCH,
        _project(plan),
        _train(plan),
        _squared_gradient(plan) if plan.many_runs else "",
        _MAIN_MANY if plan.many_runs else _MAIN_ONE,
    )


_MASK = '''
class Mask(nn.Module):
    """h * z, z ~ Bernoulli(KEEP) per example and unit; KEEP * h in evaluation."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(p=1 - KEEP)

    def forward(self, h):
        # nn.Dropout divides what it keeps by KEEP, which the theory does not: undo it.
        return KEEP * self.dropout(h)
'''


def _autoencoder(plan: Plan) -> str:
    mask = "\n        self.mask = Mask()" if plan.masked else ""
    inputs = "self.mask(x)" if plan.masked else "x"
    return f'''
class Autoencoder(nn.Module):
    """sigma(W^T sigma(W {"(x * z)" if plan.masked else "x"})), one matrix W for both ways."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(hidden, inputs)){mask}

    def forward(self, x):
        hidden = torch.sigmoid(nn.functional.linear({inputs}, self.weight))
        return torch.sigmoid(nn.functional.linear(hidden, self.weight.T))
'''


def _make_model(plan: Plan) -> str:
    mask = "Mask(), " if plan.masked else ""
    if plan.tied:
        model = "    model = Autoencoder(*LAYERS)\n"
    elif len(plan.layers) == 2 and not plan.masked:
        model = "    model = nn.Sequential(nn.Linear(*LAYERS, bias=False), nn.Sigmoid())\n"
    else:
        model = f"""\
    modules = []
    for before, after in zip(LAYERS, LAYERS[1:]):
        modules += [{mask}nn.Linear(before, after, bias=False), nn.Sigmoid()]
    model = nn.Sequential(*modules)
"""
    box = ", clipped to the box" if plan.boxes else ""
    project = "\n    project(model)" if plan.boxes else ""
    return f'''
def make_model():
    """The network at W^1: W_l ~ N(0, 1 / d_(l-1)){box}."""
{model}    for weight in model.parameters():
        nn.init.normal_(weight, std=weight.shape[1] ** -0.5){project}
    return model
'''


_LOSS = '''
def squared_error(output, target):
    """Summed over outputs, averaged over the batch; nn.MSELoss averages over both."""
    return (output - target).square().sum(dim=1).mean()
'''

_DRAW_BATCH = '''
def draw_batch(rows):
    """Indices of one mini-batch, drawn with replacement."""
    return torch.randint(rows, (BATCH,))
'''


def _project(plan: Plan) -> str:
    if not plan.boxes:
        return ""
    return '''
def project(model):
    """Back into the box."""
    with torch.no_grad():
        for weight, box in zip(model.parameters(), BOX):
            weight.clamp_(-box, box)
'''


def _train(plan: Plan) -> str:
    if plan.one_stepsize:
        groups = "    optimizer = torch.optim.SGD(model.parameters(), lr=STEPSIZES[0])\n"
    else:
        groups = """\
    groups = [{"params": [w], "lr": lr} for w, lr in zip(model.parameters(), STEPSIZES)]
    optimizer = torch.optim.SGD(groups)
"""
    schedule = step = project = ""
    if plan.best.decay:
        schedule = """\
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: (k + 1) ** -DECAY)
"""
        step = "        schedule.step()\n"
    if plan.boxes:
        project = "        project(model)\n"
    lead = "model and R"
    result = "return model.eval(), stop"
    if plan.many_runs:
        lead = "model, R and stepsizes gamma_R"
        result = 'return model.eval(), stop, [group["lr"] for group in optimizer.param_groups]'
    return f'''
def train(x, y, seed):
    """One run: {lead}; W^R has seen R - 1 updates."""
    torch.manual_seed(seed)
    stop = draw_stop(np.random.default_rng(seed))
    model = make_model().train()
{groups}{schedule}    for _ in range(stop - 1):
        rows = draw_batch(len(x))
        optimizer.zero_grad()
        squared_error(model(x[rows]), y[rows]).backward()
        optimizer.step()
{project}{step}    {result}
'''


def _squared_gradient(plan: Plan) -> str:
    masks = "; estimated, a mask a row" if plan.masked else ""
    name = "projected gradient" if plan.boxes else "gradient"
    gammas = "stepsizes = list(stepsizes) * len(weights)\n    " if plan.one_stepsize else ""
    if plan.boxes:
        body = f"""\
    {gammas}total = 0.0
    for w, g, gamma, box in zip(weights, gradients, stepsizes, BOX):
        total += g.clamp((w - box) / gamma, (w + box) / gamma).square().sum().item()
    return total"""
    else:
        body = "    return sum(g.square().sum().item() for g in gradients)"
    return f'''
def squared_gradient(x, y, model, stepsizes):
    """Squared norm of the {name} over all rows{masks}."""
    weights = list(model.parameters())
    gradients = torch.autograd.grad(squared_error(model.train()(x), y), weights)
    model.eval()
{body}
'''


_LOADING = """
if __name__ == "__main__":
    x, y = (torch.tensor(rows, dtype=torch.float32) for rows in load())
"""

_MAIN_ONE = (
    _LOADING
    + """\
    model, stop = train(x, y, SEED)
    with torch.no_grad():
        loss = squared_error(model(x), y).item()
    print(f"R = {stop:,}, loss {loss:.6g}")
"""
)

_MAIN_MANY = (
    _LOADING
    + """\
    smallest = float("inf")
    for seed in range(SEED, SEED + RUNS):
        candidate, stop, stepsizes = train(x, y, seed)
        size = squared_gradient(x, y, candidate, stepsizes)
        with torch.no_grad():
            loss = squared_error(candidate(x), y).item()
        print(f"R = {stop:,}, loss {loss:.6g}, squared gradient {size:.6g}")
        if size < smallest:
            smallest, model = size, candidate
"""
)
