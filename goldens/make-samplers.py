"""
Makes samplers.json: runs of huggingface diffusers' schedulers with all of their arithmetic in float64.

    python make-samplers.py path/to/diffusers/src > samplers.json

diffusers keeps its tables in float32. Here its source is read with float64 in place of float32, so that what differs from
another implementation is the algorithm. Run with diffusers at 58eb52c0 (2026-08), PyTorch 1.13, NumPy 1.24, SciPy 1.10.
Noise, model and draws are those of schedulers.json (see README.md), on a shape of [2, 1, 2, 3].
"""

import functools
import importlib.util
import itertools
import json
import math
import sys
import types

import torch

sys.path.insert(0, sys.argv[1])
nothing = lambda *_, **__: None
for name in ("xpu", "mps"):  # PyTorch 1.13 has neither, and nothing here needs one
    if not hasattr(torch, name):
        setattr(torch, name, types.SimpleNamespace(empty_cache=nothing, manual_seed=nothing, device_count=nothing, is_available=lambda: False))
torch.set_default_dtype(torch.float64)
SHAPE = (2, 1, 2, 3)


def grid(k):
    values = []
    for i in range(1, math.prod(SHAPE) + 1):
        u = math.modf(abs(math.sin(12.9898 * i + 78.233 * k) * 43758.5453))[0]
        v = math.modf(abs(math.sin(39.3468 * i + 11.135 * k) * 24634.6345))[0]
        values.append(math.sqrt(-2 * math.log(max(u, 1e-7))) * math.cos(2 * math.pi * v))
    return torch.tensor(values).reshape(SHAPE)


def model(x, t):
    return 0.6 * x + 0.25 * torch.sin(3 * x + float(t) / 200)


class Draws:
    def __init__(self):
        self.count = 0

    def __call__(self, *_, **__):
        self.count += 1
        return grid(100 + self.count)


class Brownian:
    """W(sigma) - W(sigma_next), scaled to variance 1, of a Brownian motion made of the draws: a half, then the whole."""

    def __init__(self, draws):
        self.draws = draws
        self.half = None

    def __call__(self, sigma, sigma_next):
        sigma, sigma_next = float(sigma), float(sigma_next)
        z = self.draws()
        if self.half is None:
            self.half = (sigma_next, z)
            return z
        middle, first = self.half
        self.half = None
        return (math.sqrt(sigma - middle) * first + math.sqrt(middle - sigma_next) * z) / math.sqrt(sigma - sigma_next)


@functools.cache
def load(module_name):
    """The module of diffusers in float64."""
    name = f"diffusers.schedulers.{module_name}"
    spec = importlib.util.find_spec(name)
    source = open(spec.origin).read().replace("torch.float32", "torch.float64").replace("np.float32", "np.float64")
    source = source.replace("import torchsde\n", "")  # its Brownian motion is replaced by `Brownian`
    module = types.ModuleType(name)
    module.__package__ = "diffusers.schedulers"
    module.__file__ = spec.origin
    sys.modules[name] = module
    exec(compile(source, spec.origin, "exec"), module.__dict__)
    return module


MODULES = {
    "DDPMScheduler": "scheduling_ddpm",
    "DDIMScheduler": "scheduling_ddim",
    "DDIMInverseScheduler": "scheduling_ddim_inverse",
    "PNDMScheduler": "scheduling_pndm",
    "LMSDiscreteScheduler": "scheduling_lms_discrete",
    "EulerDiscreteScheduler": "scheduling_euler_discrete",
    "EulerAncestralDiscreteScheduler": "scheduling_euler_ancestral_discrete",
    "HeunDiscreteScheduler": "scheduling_heun_discrete",
    "KDPM2DiscreteScheduler": "scheduling_k_dpm_2_discrete",
    "KDPM2AncestralDiscreteScheduler": "scheduling_k_dpm_2_ancestral_discrete",
    "DPMSolverMultistepScheduler": "scheduling_dpmsolver_multistep",
    "DPMSolverSinglestepScheduler": "scheduling_dpmsolver_singlestep",
    "DPMSolverSDEScheduler": "scheduling_dpmsolver_sde",
    "DEISMultistepScheduler": "scheduling_deis_multistep",
    "UniPCMultistepScheduler": "scheduling_unipc_multistep",
    "SASolverScheduler": "scheduling_sasolver",
    "EDMEulerScheduler": "scheduling_edm_euler",
    "EDMDPMSolverMultistepScheduler": "scheduling_edm_dpmsolver_multistep",
    "LCMScheduler": "scheduling_lcm",
    "TCDScheduler": "scheduling_tcd",
    "FlowMatchEulerDiscreteScheduler": "scheduling_flow_match_euler_discrete",
    "FlowMatchHeunDiscreteScheduler": "scheduling_flow_match_heun_discrete",
    "RePaintScheduler": "scheduling_repaint",
}


def run(name, config, steps, start=0, timesteps=None, sigmas=None, **kwargs):
    module = load(MODULES[name])
    draws = Draws()
    module.randn_tensor = draws
    scheduler = getattr(module, name)(**config)
    if name == "DPMSolverSDEScheduler":
        module.BrownianTreeNoiseSampler = lambda *_, **__: Brownian(draws)
    if timesteps is not None:
        scheduler.set_timesteps(timesteps=timesteps)
    elif sigmas is not None:
        scheduler.set_timesteps(sigmas=sigmas)
    else:
        scheduler.set_timesteps(steps)
    visited = scheduler.timesteps
    sigma = float(getattr(scheduler, "init_noise_sigma", 1))
    x = grid(1) * sigma
    if start > 0:
        visited = visited[start * scheduler.order :]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(start * scheduler.order)
        noise = scheduler.scale_noise if hasattr(scheduler, "scale_noise") else scheduler.add_noise
        arguments = (grid(7), visited[:1].repeat(2), grid(8)) if hasattr(scheduler, "scale_noise") else (grid(7), grid(8), visited[:1].repeat(2))
        x = noise(*arguments)
    scales = getattr(scheduler, "scale_model_input", lambda value, _: value)
    for t in visited:
        x = scheduler.step(model(scales(x, t), t), t, x, **kwargs).prev_sample
    assert torch.isfinite(x).all(), (name, config)
    case = {"scheduler": name, "config": config, "steps": steps, "init_noise_sigma": sigma}
    if start > 0:
        case["start"] = start
    if timesteps is not None:
        case["custom_timesteps"] = timesteps
    if sigmas is not None:
        case["custom_sigmas"] = sigmas
    if kwargs:
        case["step_kwargs"] = kwargs
    digits = lambda value: float(f"{float(value):.13g}")
    return {**case, "timesteps": [digits(t) for t in visited], "final": [digits(value) for value in x.flatten()]}


def repaint(config, steps, jump_length, jump_n_sample):
    module = load(MODULES["RePaintScheduler"])
    draws = Draws()
    module.randn_tensor = draws
    scheduler = module.RePaintScheduler(**config)
    scheduler.set_timesteps(steps, jump_length, jump_n_sample)
    x, image = grid(1), grid(7)
    known = torch.tensor([1.0, 0, 0, 1, 1, 0] * 2).reshape(SHAPE)
    last = scheduler.timesteps[0] + 1
    for t in scheduler.timesteps:
        if t < last:
            x = scheduler.step(model(x, t), t, x, image, known).prev_sample
        else:
            x = scheduler.undo_step(x, last)
        last = t
    return {
        "scheduler": "RePaintScheduler",
        "config": {**config, "jump_length": jump_length, "jump_n_sample": jump_n_sample},
        "steps": steps,
        "init_noise_sigma": 1,
        "known": known.flatten().tolist(),
        "timesteps": scheduler.timesteps.tolist(),
        "final": [float(f"{float(value):.13g}") for value in x.flatten()],
    }


SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
SPACINGS = [{"timestep_spacing": "linspace"}, {"timestep_spacing": "leading", "steps_offset": 1}, {"timestep_spacing": "trailing"}]
RULES = [{f"use_{rule}_sigmas": True} for rule in ("karras", "exponential", "beta")]
EPS_V = [{"prediction_type": "epsilon"}, {"prediction_type": "v_prediction"}]
ALL = [*EPS_V, {"prediction_type": "sample"}]
THRESHOLD = {"thresholding": True, "dynamic_thresholding_ratio": 0.8, "sample_max_value": 1.4}


def cases():
    # DDPM, DDIM and its inverse, PNDM
    for config in ({"thresholding": True, "sample_max_value": 1.2, "dynamic_thresholding_ratio": 0.7}, {"beta_schedule": "sigmoid"}, {"clip_sample_range": 0.6}):
        yield run("DDPMScheduler", config, 7)
        if config.get("beta_schedule") != "sigmoid":
            yield run("DDIMScheduler", config, 7, eta=0.4)
    yield run("DDIMScheduler", {**SD, "clip_sample": False}, 7, start=3)
    yield run("DDPMScheduler", {**SD, "clip_sample": False}, 7, start=3)
    for prediction in EPS_V:
        yield run("DDIMInverseScheduler", {**SD, **prediction, "clip_sample": False, "timestep_spacing": "trailing"}, 9)
        yield run("DDIMInverseScheduler", {**SD, **prediction, "set_alpha_to_one": False, "steps_offset": 1}, 7)
        for spacing, skip in itertools.product(SPACINGS, (True, False)):
            yield run("PNDMScheduler", {**SD, **prediction, **spacing, "skip_prk_steps": skip}, 9)
    yield run("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": True}, 3)
    yield run("PNDMScheduler", {"set_alpha_to_one": True}, 13)
    # k-diffusion
    for name in ("LMSDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"):
        for option in [*SPACINGS, *RULES]:
            yield run(name, {**SD, **option}, 7)
        yield run(name, {**SD, "prediction_type": "v_prediction"}, 8)
        yield run(name, {}, 6)
        yield run(name, COSINE, 6)
        if name != "LMSDiscreteScheduler":  # diffusers counts derivatives there that it has not
            yield run(name, SD, 7, start=2)
    for name in ("LMSDiscreteScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"):
        yield run(name, {**SD, "prediction_type": "sample"}, 7)
    yield run("HeunDiscreteScheduler", {**SD, "clip_sample": True, "clip_sample_range": 0.9}, 6)
    yield run("HeunDiscreteScheduler", SD, 4, timesteps=[900, 500, 240, 10])
    for option in [*SPACINGS, *EPS_V]:
        yield run("EulerAncestralDiscreteScheduler", {**SD, **option}, 7)
    yield run("EulerAncestralDiscreteScheduler", {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, 7)
    for option in (
        {"interpolation_type": "log_linear"},
        {"final_sigmas_type": "sigma_min"},
        {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 9.0},
        {"timestep_type": "continuous", "prediction_type": "v_prediction"},
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    ):
        yield run("EulerDiscreteScheduler", {**SD, **option}, 6)
    yield run("EulerDiscreteScheduler", SD, 4, timesteps=[900, 500, 240, 10])
    yield run("EulerDiscreteScheduler", SD, 4, sigmas=[12.0, 4.0, 1.5, 0.2, 0.0])
    # DPM-Solver
    algorithms = ("dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver")
    for algorithm, solver, order in itertools.product(algorithms, ("midpoint", "heun"), (1, 2, 3)):
        final = {"final_sigmas_type": "zero" if algorithm.endswith("++") else "sigma_min"}
        config = {**SD, **final, "algorithm_type": algorithm, "solver_type": solver, "solver_order": order}
        # diffusers has no sde-dpmsolver of order 3, and a wrong sign in D2 of sde-dpmsolver++
        third = order == 3 and algorithm.startswith("sde")
        if not third:
            yield run("DPMSolverMultistepScheduler", config, 9)
        if algorithm != "sde-dpmsolver" and not (third and solver == "heun"):
            yield run("DPMSolverSinglestepScheduler", config, 9)
    for prediction, algorithm in itertools.product(ALL, ("dpmsolver++", "dpmsolver")):
        final = {"final_sigmas_type": "zero" if algorithm.endswith("++") else "sigma_min"}
        config = {**SD, **final, **prediction, "algorithm_type": algorithm}
        yield run("DPMSolverMultistepScheduler", config, 6)
        yield run("DPMSolverSinglestepScheduler", config, 6)
    for option in [*SPACINGS, *RULES, {"use_lu_lambdas": True}, {"lower_order_final": False}, {"euler_at_final": True}, {"lambda_min_clipped": -2.5}, THRESHOLD,
                   {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"}, {"final_sigmas_type": "sigma_min"},
                   {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}]:
        yield run("DPMSolverMultistepScheduler", {**SD, "solver_order": 3, **option}, 8)
    yield run("DPMSolverMultistepScheduler", {**SD, **THRESHOLD, "algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}, 6)
    yield run("DPMSolverMultistepScheduler", {**COSINE, "use_karras_sigmas": True}, 8)
    yield run("DPMSolverMultistepScheduler", {**SD, "solver_order": 3}, 17)
    yield run("DPMSolverMultistepScheduler", SD, 4, timesteps=[900, 500, 240, 10])
    yield run("DPMSolverMultistepScheduler", {**SD, "solver_order": 3}, 8, start=2)
    for option in [*RULES, {"lambda_min_clipped": -2.5}, THRESHOLD, {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"}]:
        yield run("DPMSolverSinglestepScheduler", {**SD, **option}, 8)
    for steps, order, lower in itertools.product((7, 8, 9, 10), (2, 3), (True, False)):
        yield run("DPMSolverSinglestepScheduler", {**SD, "solver_order": order, "lower_order_final": lower, "final_sigmas_type": "sigma_min"}, steps)
    yield run("DPMSolverSinglestepScheduler", {**SD, "solver_order": 3}, 8, start=1)
    # DEIS, UniPC, SA-Solver
    for order in (1, 2, 3):
        yield run("DEISMultistepScheduler", {**SD, "solver_order": order}, 9)
        for solver in ("bh1", "bh2"):
            final = "zero" if solver == "bh2" else "sigma_min"  # diffusers' bh1 multiplies infinity by 0 at the end
            yield run("UniPCMultistepScheduler", {**SD, "solver_order": order, "solver_type": solver, "final_sigmas_type": final}, 9)
            yield run("UniPCMultistepScheduler", {**SD, "solver_order": order, "solver_type": solver, "predict_x0": False, "final_sigmas_type": "sigma_min"}, 9)
    yield run("DEISMultistepScheduler", {**SD, "solver_order": 3, "lower_order_final": False}, 8)
    flow = {"use_flow_sigmas": True, "flow_shift": 3.0, "prediction_type": "flow_prediction"}
    for name in ("DEISMultistepScheduler", "UniPCMultistepScheduler", "SASolverScheduler"):
        for option in [*SPACINGS, *RULES, {"prediction_type": "sample"}, {"prediction_type": "v_prediction"}, THRESHOLD, flow]:
            if not (name == "UniPCMultistepScheduler" and option is flow):
                yield run(name, {**SD, **option}, 8)
        yield run(name, SD, 8, start=3)
    yield run("UniPCMultistepScheduler", {**SD, **flow}, 8)
    yield run("UniPCMultistepScheduler", {**SD, **flow, "shift_terminal": 0.05}, 8)
    for option in ({"disable_corrector": [0, 1, 4]}, {"lower_order_final": False, "final_sigmas_type": "sigma_min"}, {"solver_order": 3, "final_sigmas_type": "sigma_min", "use_karras_sigmas": True},
                   {"sigma_min": 0.1, "sigma_max": 9.0, "use_karras_sigmas": True}, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}):
        yield run("UniPCMultistepScheduler", {**SD, **option}, 8)
    for predictor, corrector, algorithm in itertools.product((1, 2, 3, 4), (1, 2, 3, 4), ("data_prediction", "noise_prediction")):
        yield run("SASolverScheduler", {**SD, "predictor_order": predictor, "corrector_order": corrector, "algorithm_type": algorithm}, 9)
    yield run("SASolverScheduler", {**SD, "predictor_order": 3, "lower_order_final": False, "lambda_min_clipped": -2.5}, 8)
    # EDM
    for prediction, schedule, final in itertools.product(EPS_V, ("karras", "exponential"), ("zero", "sigma_min")):
        yield run("EDMEulerScheduler", {**prediction, "sigma_schedule": schedule, "final_sigmas_type": final, "sigma_data": 0.7}, 7)
        yield run("EDMDPMSolverMultistepScheduler", {**prediction, "sigma_schedule": schedule, "sigma_data": 0.7}, 7)
    for order, solver in itertools.product((1, 2, 3), ("midpoint", "heun")):
        yield run("EDMDPMSolverMultistepScheduler", {"solver_order": order, "solver_type": solver}, 8)
    for option in ({"algorithm_type": "sde-dpmsolver++"}, THRESHOLD, {"euler_at_final": True}, {"rho": 5.0, "sigma_max": 20.0}):
        yield run("EDMDPMSolverMultistepScheduler", option, 8)
    yield run("EDMEulerScheduler", {}, 7, start=2)
    # LCM, TCD
    for option in [*ALL, {"clip_sample": True}, THRESHOLD, {"original_inference_steps": 20}, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}]:
        yield run("LCMScheduler", option, 5)
    yield run("LCMScheduler", {}, 4, timesteps=[999, 500, 240, 10])
    for option, eta in itertools.product(ALL, (0.0, 0.3, 1.0)):
        yield run("TCDScheduler", option, 5, eta=eta)
    # flow matching
    for option in [{}, {"shift": 3.0}, *RULES, {"shift": 3.0, "shift_terminal": 0.1}, {"shift": 2.0, "stochastic_sampling": True}]:
        yield run("FlowMatchEulerDiscreteScheduler", option, 7)
    yield run("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, 4, sigmas=[0.9, 0.6, 0.4, 0.1])
    yield run("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, 7, start=2)
    for option in ({}, {"shift": 3.0}):
        yield run("FlowMatchHeunDiscreteScheduler", option, 7)
    # RePaint; a training step a step, since diffusers draws once a training step where it goes back
    for eta, clip, length, samples in ((0.0, True, 3, 2), (1.0, False, 4, 3), (0.5, False, 1, 2)):
        yield repaint({"num_train_timesteps": 12, "beta_start": 0.01, "beta_end": 0.3, "eta": eta, "clip_sample": clip}, 12, length, samples)


json.dump({"shape": [SHAPE[0], SHAPE[2], SHAPE[3], SHAPE[1]], "cases": list(cases())}, sys.stdout, separators=(",", ":"))
