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
            parts.constants(plan, "p of nn.Dropout", native=True),
        ]
    )
    return parts.without_empty(
        top,
        parts.load(plan),
        _autoencoder(plan) if plan.tied else "",
        _make_model(plan),
        _LOSS,
        parts.pace(parameter=False) if plan.to_the_end else parts.draw_stop(plan),
        _DRAW_BATCH,
        _project(plan),
        parts.SHOW,
        _train(plan),
        _squared_gradient(plan) if plan.many_runs else "",
        parts.SPLIT,
        parts.report(plan),
        _main(plan),
    )


def _autoencoder(plan: Plan) -> str:
    dropout = "\n        self.dropout = nn.Dropout(p=1 - KEEP)" if plan.masked else ""
    mask = ""
    if plan.masked:
        mask = """
        # nn.Dropout divides what it keeps by KEEP, which the theory does not: undo it.
        x = KEEP * self.dropout(x)"""
    return f'''
class Autoencoder(nn.Module):
    """sigma(W^T sigma(W {"(x * z)" if plan.masked else "x"})), one matrix W for both ways."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(hidden, inputs)){dropout}

    def forward(self, x):{mask}
        hidden = torch.sigmoid(nn.functional.linear(x, self.weight))
        return torch.sigmoid(nn.functional.linear(hidden, self.weight.T))
'''


def _make_model(plan: Plan) -> str:
    if plan.tied:
        model = "    model = Autoencoder(*LAYERS)\n"
    elif len(plan.layers) == 2 and not plan.masked:
        model = "    model = nn.Sequential(nn.Linear(*LAYERS, bias=False), nn.Sigmoid())\n"
    else:
        dropout = "        modules.append(nn.Dropout(p=1 - KEEP))\n" if plan.masked else ""
        model = f"""\
    modules = []
    for before, after in zip(LAYERS, LAYERS[1:]):
{dropout}        modules += [nn.Linear(before, after, bias=False), nn.Sigmoid()]
    model = nn.Sequential(*modules)
"""
    scale = "KEEP * " if plan.rescaled else ""
    weights = "W_l / KEEP" if plan.rescaled else "W_l"
    box = ", clipped to the box" if plan.boxes else ""
    project = "\n    project(model)" if plan.boxes else ""
    return f'''
def make_model():
    """The network at W^1: {weights} ~ N(0, 1 / d_(l-1)){box}."""
{model}    for weight in model.parameters():
        nn.init.normal_(weight, std={scale}weight.shape[1] ** -0.5){project}
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
    if plan.slowing:
        factor = "(k + 1) ** -DECAY" if plan.train.decay else "pace(k + 1)"
        schedule = f"""\
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: {factor})
"""
        step = "        schedule.step()\n"
    if plan.boxes:
        project = "        project(model)\n"
    about = "model and R; W^R has seen R - 1 updates"
    draw = "    stop = draw_stop(np.random.default_rng(seed))\n"
    result, (after, last) = "return model.eval(), stop", plan.loop()
    if plan.to_the_end:
        about, draw, result = "the trained model", "", "return model.eval()"
    if plan.many_runs:
        about = "model, R and stepsizes gamma_R; W^R has seen R - 1 updates"
        result = 'return model.eval(), stop, [group["lr"] for group in optimizer.param_groups]'
    return f'''
def train(x, y, seed):
    """One run: {about}."""
    torch.manual_seed(seed)
{draw}    model = make_model().train()
    losses = []
{groups}{schedule}    for k in range(1, {after}):
        rows = draw_batch(len(x))
        loss = squared_error(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
{project}{step}        losses.append(loss.item())
        show(k, {last}, losses)
    {result}
'''


def _squared_gradient(plan: Plan) -> str:
    masks = "; estimated, a mask a row" if plan.masked else ""
    name = "projected gradient" if plan.boxes else "gradient"
    about = f"Squared norm of the {name} over all rows{masks}."
    scale = "KEEP**2 * " if plan.rescaled else ""
    note = "  # by W, of which the weights are KEEP times" if plan.rescaled else ""
    gammas = "stepsizes = list(stepsizes) * len(weights)\n    " if plan.one_stepsize else ""
    if plan.boxes:
        body = f"""\
    {gammas}total = 0.0
    for w, g, gamma, box in zip(weights, gradients, stepsizes, BOX):
        total += g.clamp((w - box) / gamma, (w + box) / gamma).square().sum().item()
    return {scale}total{note}"""
    else:
        body = "    return sum(g.square().sum().item() for g in gradients)"
    return f'''
def squared_gradient(x, y, model, stepsizes):
    """{about}"""
    weights = list(model.parameters())
    gradients = torch.autograd.grad(squared_error(model.train()(x), y), weights)
    model.eval()
{body}
'''


def _main(plan: Plan) -> str:
    if plan.to_the_end:
        training = """\
    model = train(x[rows], y[rows], SEED)
"""
    elif not plan.many_runs:
        training = """\
    model, stop = train(x[rows], y[rows], SEED)
    print(f"R = {stop:,} of N = {ITERATIONS:,}")
"""
    else:
        training = """\
    smallest = float("inf")
    for seed in range(SEED, SEED + RUNS):
        candidate, stop, stepsizes = train(x[rows], y[rows], seed)
        size = squared_gradient(x[rows], y[rows], candidate, stepsizes)
        print(f"R = {stop:,} of N = {ITERATIONS:,}, squared gradient {size:.4g}")
        if size < smallest:
            smallest, model = size, candidate
"""
    return f"""
if __name__ == "__main__":
    x, y = (torch.tensor(rows, dtype=torch.float32) for rows in load())
    rows, held_out = split(len(x))
{training}    with torch.no_grad():
        output = model(x).numpy()
    y, mean = y.numpy(), y[rows].numpy().mean(axis=0)
    report("training", y[rows], output[rows], mean)
    report("held-out", y[held_out], output[held_out], mean)
"""
