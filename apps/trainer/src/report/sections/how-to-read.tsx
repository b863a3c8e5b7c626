/** @jsxImportSource preact */
import { Section } from '../parts/section';

/** What each number means. */
export function HowToRead() {
  return (
    <Section id="how-to-read" title="How to read this">
      <dl class="glossary">
        <dt>Teacher, Lite, SD</dt>
        <dd>
          The teacher is a latent diffusion model. Lite is the same net with narrow channels, trained alone. SD is as
          narrow, with wavelet gating in place of every down- and upsampling, and learns from the teacher too, with
          errors weighted toward the frequencies that the data has little power in.
        </dd>
        <dt>Parameters, MACs</dt>
        <dd>
          Numbers that the net learns, and the multiply-accumulates of its convolutions and linear layers for one
          denoising step of one sample. “Slimmer” is the teacher’s count over the model’s.
        </dd>
        <dt>Steps per second</dt>
        <dd>
          Denoising steps of a whole batch, measured on this machine with nothing else running. Small nets are held up
          by more than arithmetic, so this ratio need not follow that of the MACs.
        </dd>
        <dt>Frequency, r</dt>
        <dd>
          Distance from the center of the Fourier transform as a fraction of Nyquist’s frequency, the finest that the
          pixels can hold: r = 1 is a stripe of one pixel dark, one pixel light. Low means r &lt; 0.25, high r ≥ 0.25.
        </dd>
        <dt>Frequency error</dt>
        <dd>
          Per image the orthonormal DFT of its luma, its power averaged in rings of r, and the logarithm of that; then
          the mean over images. The error of a band is the mean over its rings of |mean log-power of the samples − mean
          log-power of the data|, in natural logarithms: 0.1 is about 10% of power. Samples and data are not paired.
        </dd>
        <dt>Decibels</dt>
        <dd>10 log₁₀ of a ratio of powers: +3 dB is twice the power, −3 dB half, −10 dB a tenth.</dd>
        <dt>Gate, t</dt>
        <dd>
          A factor from 0 to 1 on one wavelet band of one channel, computed from the features themselves. t counts
          noise: small t is nearly clean, large t nearly all noise. Sampling goes from right to left.
        </dd>
        <dt>PSNR</dt>
        <dd>
          Peak signal over the mean squared error of reconstructions, in dB, averaged over images. Larger is better.
        </dd>
      </dl>
      <p class="note">
        The method: Yang, Zhou, Feng, Wang,{' '}
        <a href="https://arxiv.org/abs/2211.17106" rel="noreferrer">
          “Diffusion Probabilistic Model Made Slim”
        </a>
        , CVPR 2023, arXiv 2211.17106. The paper does not define its frequency errors; the definition above is this
        project’s.
      </p>
    </Section>
  );
}
