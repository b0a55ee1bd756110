# SPDX-License-Identifier: Apache-2.0
"""What is timed: a work has `net`, the network it is about, `images`, how many a step handles, and `step()`.

Everything stays on the device and no step reads a value back, so that a GPU is never waited for inside one.
"""
import copy

from . import torch
from .networks import SPECS, Denoiser, Discriminator, DitSpec, F, features_of, raw_network

IMAGES = 4096  # in the data set


class MissingPackage(Exception):
    pass


class Data:
    """Random uint8 images and classes on the device: what they show costs no time."""

    def __init__(self, spec, options):
        self.batch_size, self.device = options.batch, options.device
        shape = (IMAGES, spec.channels, spec.size, spec.size)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, device=self.device)
        self.classes = torch.randint(0, spec.labels, (IMAGES,), device=self.device)
        self.one_hot = torch.eye(spec.labels, device=self.device)

    def batch(self):
        chosen = torch.randint(0, IMAGES, (self.batch_size,), device=self.device)
        return self.images[chosen].float() / 127.5 - 1, self.one_hot[self.classes[chosen]]


class Trainee:
    """A network, its Adam, and the moving average of its weights where one is wanted."""

    def __init__(self, net, adam, averaged, batch, clip_norm=None):
        self.net, self.parameters, self.clip_norm = net, list(net.parameters()), clip_norm
        self.adam = adam(self.parameters)
        self.ema = [p.detach().clone() for p in self.parameters] if averaged else None
        self.ema_weight = 1 - 0.5 ** (batch / 5000)  # a half-life of 5,000 images

    def update(self, output, gradient=None):
        """A step down a loss, or along the gradient that an output of the network is given."""
        self.adam.zero_grad()  # only now: freed before the forward pass, the CPU's memory would go back to the system
        output.backward(gradient)
        if self.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.adam.step()
        if self.ema:
            with torch.no_grad():
                torch._foreach_lerp_(self.ema, self.parameters, self.ema_weight)


def adam(learning_rate, beta1):
    return lambda parameters: torch.optim.Adam(parameters, lr=learning_rate, betas=(beta1, 0.99), fused=True)


def placed(net, options):
    """The network on its device, in its memory format."""
    net.channels_last = options.channels_last
    memory_format = torch.channels_last if options.channels_last else torch.contiguous_format
    return net.to(device=options.device, memory_format=memory_format)


def over_images(values):
    return values.reshape(-1, 1, 1, 1)


def noised(y, sigma):
    return y + over_images(sigma) * torch.randn_like(y)


def log_normal(n, mean, std, device):
    return (torch.randn(n, device=device) * std + mean).exp()


def denoising_loss(net, y, labels, log_sigma):
    """EDM's: the error of D(y + sigma noise), weighted by 1/sigma^2 + 1/sigma_data^2, a mean over all pixels."""
    sigma = log_normal(len(y), *log_sigma, y.device)
    denoised = net(noised(y, sigma), sigma, labels)
    weight = sigma**-2 + net.spec.sigma_data**-2
    return (over_images(weight) * (denoised - y) ** 2).mean()


class TeacherWork:
    """A training step of the denoiser (configs/fashion_mnist/teacher.yaml)."""

    def __init__(self, options):
        spec = SPECS[options.network]
        self.images, self.spec, self.data = options.batch, spec, Data(spec, options)
        self.net = placed(Denoiser(spec), options).train()
        self.trainee = Trainee(self.net, adam(spec.learning_rate, 0.9), True, options.batch)

    def compile(self, mode):
        self.net.compile(mode=mode)

    def step(self):
        y, labels = self.data.batch()
        if self.spec.label_dropout:
            labels = labels * (torch.rand(len(y), 1, device=y.device) >= self.spec.label_dropout)
        loss = denoising_loss(self.net, y, labels, self.spec.log_sigma)
        self.trainee.update(loss)
        return loss.detach()


class FDistillWork:
    """A whole cycle of f-distill (configs/fashion_mnist/f_distill.yaml): student, fake score and discriminator.

    Left out of OneStep's: the ratio's running mean at each noise level, and the diagnostics.
    """

    SIGMA_INIT = 2.5
    SIGMA_MIN, SIGMA_MAX, RHO, LARGEST_T = 0.002, 80.0, 7.0, 0.8  # Karras's law of the noise levels
    LOGIT_CLAMP, RATIO_MIN, RATIO_MAX, ADVERSARIAL = 10.0, 0.05, 20.0, 1.0

    def __init__(self, options):
        spec = SPECS[options.network]
        self.images, self.spec, self.data = options.batch, spec, Data(spec, options)
        self.teacher = placed(Denoiser(spec), options).eval()  # no dropout in distillation
        student, fake = copy.deepcopy(self.teacher), copy.deepcopy(self.teacher)
        self.teacher.requires_grad_(False)
        self.net = student
        discriminator = placed(Discriminator(spec), options)
        self.student, self.fake, self.discriminator = self.trainees(student, fake, discriminator, options.batch)
        self.sigma_init = torch.full((options.batch,), self.SIGMA_INIT, device=options.device)

    def trainees(self, student, fake, discriminator, batch):
        return (Trainee(student, adam(5e-4, 0.0), True, batch), Trainee(fake, adam(2e-3, 0.0), False, batch),
                Trainee(discriminator, adam(1e-3, 0.0), False, batch))

    def compile(self, mode):
        for trainee in (self.student, self.fake, self.discriminator):
            trainee.net.compile(mode=mode)
        # The teacher's halves apart: only the encoder is gone back through.
        self.teacher.encode = torch.compile(self.teacher.encode, mode=mode)
        self.teacher.decode = torch.compile(self.teacher.decode, mode=mode)

    def step(self):
        real, labels = self.data.batch()
        y = self.student.net(torch.randn_like(real) * self.SIGMA_INIT, self.sigma_init, labels)
        sigma = self.draw_sigma(len(real), real.device)
        gradient, student_features = self.image_gradient(y.detach(), sigma, labels)
        self.student.update(y, gradient / len(y))
        loss = denoising_loss(self.fake.net, y.detach(), labels, (-1.2, 1.2))
        self.fake.update(loss)
        self.discriminator.update(self.discriminator_loss(real, student_features, sigma, labels))
        return loss.detach()

    def draw_sigma(self, n, device):
        low, high = self.SIGMA_MIN ** (1 / self.RHO), self.SIGMA_MAX ** (1 / self.RHO)
        return (low + torch.rand(n, device=device) * (self.LARGEST_T * (high - low))) ** self.RHO

    def image_gradient(self, y, sigma, labels):
        """Where the student's images should move, and what the discriminator saw of them."""
        y.requires_grad_()
        x = noised(y, sigma)
        encoded = self.teacher.encode(x, sigma, labels)
        features = features_of(encoded[1], self.spec.discriminator_resolutions)
        logits = self.discriminator.net(features)
        adversarial, = torch.autograd.grad(self.ADVERSARIAL * F.softplus(-logits).mean(1).sum(), y)
        with torch.no_grad():
            teacher = self.teacher.decode(x, sigma, encoded)
            fake = self.fake.net(x, sigma, labels)
            r = logits.mean(1).clamp(-self.LOGIT_CLAMP, self.LOGIT_CLAMP).exp().clamp(self.RATIO_MIN, self.RATIO_MAX)
            h = r / (1 + r)  # Jensen-Shannon
            weight = h / ((y - teacher).abs().mean((1, 2, 3)) + 1e-6) / (h.mean() + 1e-6)
            return over_images(weight) * (fake - teacher) + adversarial, [f.detach() for f in features]

    def discriminator_loss(self, real, student_features, sigma, labels):
        with torch.no_grad():
            _, skips = self.teacher.encode(noised(real, sigma), sigma, labels)
        real_logits = self.discriminator.net(features_of(skips, self.spec.discriminator_resolutions))
        return (F.softplus(-real_logits) + F.softplus(self.discriminator.net(student_features))).mean()


class PublishedFDistillWork(FDistillWork):
    """The cycle of f-distill's authors (Xu et al. 2025; FastGen), by its method and its numbers for CIFAR-10: of five
    iterations, each with a batch of its own, the student learns in one, fake score and discriminator in the other four
    (configs/presets/f_distill.yaml).

    Left out: the bins of the ratio, and what a trainer does around its steps.
    """

    CYCLE = 5
    SIGMA_INIT, LEVELS = 80.0, 1000
    RATIO_MIN, ADVERSARIAL = 0.1, 1e-3

    def __init__(self, options):
        super().__init__(options)
        self.images = self.CYCLE * options.batch
        low, high = self.SIGMA_MIN ** (1 / self.RHO), self.SIGMA_MAX ** (1 / self.RHO)
        steps = torch.arange(self.LEVELS, device=options.device) / (self.LEVELS - 1)
        self.levels = (low + steps * (high - low)) ** self.RHO

    def trainees(self, student, fake, discriminator, batch):
        def adamw(parameters):
            return torch.optim.AdamW(parameters, lr=1e-4, betas=(0.9, 0.999), weight_decay=0.01, fused=True)

        return (Trainee(student, adamw, True, batch, 10.0), Trainee(fake, adamw, False, batch, 10.0),
                Trainee(discriminator, adamw, False, batch, 10.0))

    def draw_sigma(self, n, device):
        return self.levels[torch.randint(2, self.LEVELS - 1, (n,), device=device)]

    def generate(self):
        real, labels = self.data.batch()
        return real, labels, self.student.net(torch.randn_like(real) * self.SIGMA_INIT, self.sigma_init, labels)

    def step(self):
        self.students_iteration()
        for _ in range(self.CYCLE - 1):
            loss = self.others_iteration()
        return loss

    def students_iteration(self):
        real, labels, y = self.generate()
        gradient, _ = self.image_gradient(y.detach(), self.draw_sigma(len(real), real.device), labels)
        self.student.update(y, gradient / len(y))

    def others_iteration(self):
        with torch.no_grad():
            real, labels, y = self.generate()
            sigma = self.draw_sigma(len(real), real.device)
            x = noised(y, sigma)
            features = features_of(self.teacher.encode(x, sigma, labels)[1], self.spec.discriminator_resolutions)
        loss = ((self.fake.net(x, sigma, labels) - y) ** 2).mean()
        self.fake.update(loss)
        self.discriminator.update(self.discriminator_loss(real, features, sigma, labels))
        return loss.detach()


class SampleWork:
    """A batch of images by Heun's method in 18 steps, 35 calls of the network (Karras et al. 2022, algorithm 1)."""

    STEPS, SIGMA_MIN, SIGMA_MAX, RHO = 18, 0.002, 80.0, 7.0

    def __init__(self, options):
        spec = SPECS[options.network]
        self.images, self.device = options.batch, options.device
        self.shape = (options.batch, spec.channels, spec.size, spec.size)
        self.net = placed(Denoiser(spec), options).eval()
        self.labels = torch.eye(spec.labels, device=self.device)[torch.arange(options.batch) % spec.labels]
        low, high = self.SIGMA_MIN ** (1 / self.RHO), self.SIGMA_MAX ** (1 / self.RHO)
        self.sigmas = [(high + i / (self.STEPS - 1) * (low - high)) ** self.RHO for i in range(self.STEPS)] + [0.0]
        self.levels = [torch.full((options.batch,), sigma, device=self.device) for sigma in self.sigmas]

    def compile(self, mode):
        self.net.compile(mode=mode)

    def slope(self, x, i):
        """dx/dsigma = (x - D(x; sigma)) / sigma at the i-th noise level."""
        return (x - self.net(x, self.levels[i], self.labels)) / self.sigmas[i]

    @torch.no_grad()
    def step(self):
        x = torch.randn(self.shape, device=self.device) * self.sigmas[0]
        for i in range(self.STEPS):
            slope, width = self.slope(x, i), self.sigmas[i + 1] - self.sigmas[i]
            ahead = x + width * slope
            if i + 1 < self.STEPS:
                ahead = x + width / 2 * (slope + self.slope(ahead, i + 1))
            x = ahead
        return x


class InceptionWork:
    """Features of torchvision's Inception v3, of random weights, from images that have its input's size."""

    def __init__(self, options):
        try:
            from torchvision.models import inception_v3
        except (ImportError, RuntimeError, OSError) as error:  # missing, or made for another torch
            raise MissingPackage(f"torchvision cannot be imported: {error}") from error
        self.images = options.batch
        self.net = inception_v3(weights=None, aux_logits=False, init_weights=False)
        self.net.fc = torch.nn.Identity()  # the features are what goes into it
        self.net = placed(self.net, options).eval()
        self.input = torch.rand(options.batch, 3, 299, 299, device=options.device) * 2 - 1
        if options.channels_last:
            self.input = self.input.contiguous(memory_format=torch.channels_last)

    def compile(self, mode):
        self.net.compile(mode=mode)

    @torch.no_grad()
    def step(self):
        return self.net(self.input)


class ForwardWork:
    """A forward pass of the raw network, without gradients."""

    def __init__(self, options):
        spec = SPECS[options.network]
        if not isinstance(spec, DitSpec) and spec.patches:
            raise ValueError(f"the network of {options.network} sees patches, not images")
        self.images, self.net = options.batch, placed(raw_network(spec), options)
        self.x = torch.randn(options.batch, spec.channels, spec.size, spec.size, device=options.device)
        self.c_noise = torch.rand(options.batch, device=options.device)
        self.labels = torch.eye(spec.labels, device=options.device)[torch.arange(options.batch) % spec.labels]

    def compile(self, mode):
        self.net.compile(mode=mode)

    @torch.no_grad()
    def step(self):
        return self.net(self.x, self.c_noise, self.labels)


class BackwardWork(ForwardWork):
    """Forward and backward pass of the raw network; gradients add up in the parameters."""

    def step(self):
        output = self.net(self.x, self.c_noise, self.labels)
        output.backward(output.detach())
        return output.detach()


WORKS = {"teacher": TeacherWork, "f_distill": FDistillWork, "f_distill_published": PublishedFDistillWork, "sample": SampleWork, "inception": InceptionWork,
         "forward": ForwardWork, "backward": BackwardWork}
