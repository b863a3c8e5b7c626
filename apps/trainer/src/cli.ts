#!/usr/bin/env node
import { SpectralDiffusionError } from '@sd/core';
import { enableProdMode } from '@tensorflow/tfjs';
import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import packageJson from '../package.json' with { type: 'json' };
import { demo } from './commands/demo';
import { encode } from './commands/encode';
import { type EvaluateOptions, evaluate } from './commands/evaluate';
import { EXPORT_FORMATS, type ExportOptions, exportModel } from './commands/export';
import { info } from './commands/info';
import { type ReproduceOptions, reproduce } from './commands/reproduce';
import { sample } from './commands/sample';
import { serve } from './commands/serve';
import { distill, train } from './commands/train';
import { trainAutoencoder } from './commands/train-autoencoder';
import { trial } from './commands/trial';
import { withSuggestion } from './config/nearest';
import { interruptedExitCode } from './console/interrupt';
import { SCALES } from './reproduce/scale';
import { SAMPLER_NAMES, SIGMA_FIELDS } from './sampling/samplers';

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.');
  return value;
}

function seed(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number from 0.');
  return value;
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < Infinity)) throw new InvalidArgumentError('It must be a number from 0.');
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

function portNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || value > 65535) {
    throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
  }
  return value;
}

function unitInterval(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('It must be a number from 0 to 1.');
  return value;
}

const program = new Command('sd')
  .description('Slim diffusion models: train a first stage and a teacher, distil a slim student, sample, report.')
  .version(packageJson.version)
  .showHelpAfterError()
  .showSuggestionAfterError();

const backendOption = () =>
  new Option('--backend <name>', 'where to compute').choices(['auto', 'webgpu', 'cuda', 'wasm', 'cpu']);

const samplerOption = () =>
  new Option('--sampler <name>', "in place of the model's own").choices(SAMPLER_NAMES).argParser((name) => {
    if (SAMPLER_NAMES.includes(name)) return name;
    throw new InvalidArgumentError(`There is no sampler ${withSuggestion(name, SAMPLER_NAMES)}.`);
  });

function projectCommand(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .requiredOption('--config <file>', "the project's YAML file")
    .option('--out <folder>', "in place of the project's out")
    .option('--seed <n>', "in place of the project's seed", seed)
    .addOption(backendOption());
}

program
  .command('demo')
  .description('the whole chain in a few minutes, ending in out/demo/report.html')
  .option('--data <folder>', 'a folder of photographs in place of generated images')
  .option('--out <folder>', 'where everything is written', 'out/demo')
  .option('--seed <n>', 'seed of everything random', seed, 0)
  .addOption(backendOption())
  .action(demo);

program
  .command('info [model]')
  .description('parameters, MACs and tensors of a preset or a checkpoint; a table of all presets without one')
  .option('--json', 'as JSON')
  .action(async (model: string | undefined, options: { json?: boolean }) => {
    process.stdout.write(`${await info(model, options)}\n`);
  });

projectCommand('train-autoencoder', 'train the first stage')
  .option('--resume', 'continue from the last checkpoint')
  .option('--overwrite', 'start anew where there is a checkpoint')
  .option('--half', 'write the finished weights as float16')
  .action(trainAutoencoder);

projectCommand('encode', 'encode the images with the first stage').action(encode);

projectCommand('train', 'train a denoiser, such as the teacher')
  .option('--model <name>', 'which of the models', 'teacher')
  .option('--resume', 'continue from the last checkpoint')
  .option('--overwrite', 'start anew where there is a checkpoint')
  .option('--half', 'write the finished weights as float16')
  .option('--batch <n>', "in place of the model's batchSize; tried before the run", positiveInteger)
  .option('--micro-batch <n>', 'how many of a batch are on the device at once', positiveInteger)
  .option('--dry-run', 'say what the training takes in memory, MACs and time, by a measured step')
  .action(train);

projectCommand('distill', 'train a slim student with a teacher')
  .option('--model <name>', 'which of the models', 'sd')
  .option('--resume', 'continue from the last checkpoint')
  .option('--overwrite', 'start anew where there is a checkpoint')
  .option('--half', 'write the finished weights as float16')
  .option('--batch <n>', "in place of the model's batchSize; tried before the run", positiveInteger)
  .option('--micro-batch <n>', 'how many of a batch are on the device at once', positiveInteger)
  .option('--dry-run', 'say what the training takes in memory, MACs and time, by a measured step')
  .action(distill);

program
  .command('trial', { hidden: true })
  .requiredOption('--config <file>')
  .requiredOption('--model <name>')
  .requiredOption('--batch <n>', '', positiveInteger)
  .requiredOption('--micro-batch <n>', '', positiveInteger)
  .addOption(backendOption())
  .action(trial);

projectCommand('sample', 'draw images into a PNG')
  .option('--model <name>', 'which of the models', 'sd')
  .option('--weights <file>', "weights in place of the project's")
  .option('--first-stage <file>', "a first stage in place of the project's")
  .option('--count <n>', 'how many images', positiveInteger)
  .addOption(samplerOption())
  .addOption(new Option('--sigmas <spacing>', 'of the levels of noise').choices(Object.keys(SIGMA_FIELDS)))
  .option('--steps <n>', 'denoising steps', positiveInteger)
  .option('--eta <x>', '0 is deterministic DDIM, 1 as random as DDPM; also of tcd and repaint', unitInterval)
  .option('--prompt <text...>', 'what the images show, for models of texts; several take turns')
  .option('--class <names>', 'classes by number or name, separated by commas: the images take turns (default: all)')
  .option('--negative <what>', 'text or class that the images are led away from (default: nothing)')
  .option('--guidance <w>', 'of the condition: 1 as trained, more exaggerates it', nonNegative)
  .option('--init <image>', 'start from an image')
  .option('--strength <x>', 'how much of the image is lost: 0 nothing, 1 everything (default: 0.8)', unitInterval)
  .option('--mask <image>', 'with --init: make what is white, keep the rest (strength: 1 by default)')
  .option('--interpolate-to <seed>', 'from the first sample of --seed to the first one of this seed', seed)
  .option('--strip', 'also write what is predicted on the way, of the first 4 images')
  .option('--output <file>', 'the PNG; its settings go to a JSON file beside it')
  .action(sample);

program
  .command('evaluate [results...]')
  .description('measure samples against data, or put results (files, or folders of models) side by side')
  .option('--config <file>', "the project's YAML file")
  .option('--model <name>', 'which of the models', 'sd')
  .option('--images <folder>', "finished images in place of a model's samples")
  .option('--reference <folder>', "images to measure against, in place of the project's data")
  .option('--size <pixels>', "of folders' images, which are scaled and cropped to it", positiveInteger)
  .option('--count <n>', 'how many samples or images (default: 1000 samples, all images)', positiveInteger)
  .option('--reference-count <n>', 'how many images of the reference, a random part (default: all)', positiveInteger)
  .option('--inception <file>', "pytorch-fid's weights of Inception v3, .pth or safetensors: gives the FID")
  .option('--single <n>', 'images of each set that KID, precision and recall are of', positiveInteger, 5000)
  .option('--batch-size <n>', 'images at once', positiveInteger, 64)
  .option('--throughput-batch <n>', 'batch of the steps per second', positiveInteger, 64)
  .option('--throughput-runs <n>', 'runs that are timed; 0 for none', seed, 30)
  .option('--weights <file>', "weights in place of the project's")
  .option('--first-stage <file>', "a first stage in place of the project's")
  .addOption(samplerOption())
  .addOption(new Option('--sigmas <spacing>', 'of the levels of noise').choices(Object.keys(SIGMA_FIELDS)))
  .option('--steps <n>', 'denoising steps', positiveInteger)
  .option('--eta <x>', '0 is deterministic DDIM, 1 as random as DDPM', unitInterval)
  .option('--guidance <w>', 'of models of classes, whose classes are drawn in turn', nonNegative)
  .option('--keep <folder>', 'also write the samples, a PNG each')
  .option('--cache <folder>', 'where statistics of references are kept')
  .option('--output <file>', 'the JSON file')
  .option('--out <folder>', "in place of the project's out")
  .option('--seed <n>', "in place of the project's seed", seed)
  .addOption(backendOption())
  .action(async (results: string[], options: EvaluateOptions) => {
    process.stdout.write(`${await evaluate(results, options)}\n`);
  });

program
  .command('export')
  .description('write a finished model as other programs read it')
  .addOption(
    new Option('--format <name>', 'latent-diffusion, a folder of diffusers, or ONNX')
      .choices(EXPORT_FORMATS)
      .makeOptionMandatory(),
  )
  .option('--config <file>', "the project's YAML file")
  .option('--model <name>', 'which of the models', 'sd')
  .option('--weights <file>', "weights in place of the project's")
  .option('--first-stage <file>', "a first stage in place of the project's")
  .option('--half', 'weights as float16')
  .option('--gates', 'onnx: also give the values of the wavelet gates')
  .option('--output <folder>', 'where to write; beside the model by default')
  .option('--out <folder>', "in place of the project's out")
  .addOption(backendOption())
  .action((options: ExportOptions) => exportModel(options));

program
  .command('reproduce [names...]')
  .description("make the paper's figures and tables again, beside what it prints; without names, list them")
  .addOption(new Option('--scale <name>', 'how much is computed').choices(SCALES).default('tiny'))
  .option('--out <folder>', 'where everything is written', 'out/reproduce')
  .option('--models <folder>', 'trained models, as sd demo leaves them', 'out/demo')
  .option('--minutes <n>', 'stop after so long; the same command goes on from there', positive)
  .option('--pieces [names...]', 'compute pieces alone, those whose names begin so; a run without it joins them')
  .option('--finished', 'compute nothing: results of the pieces that are there')
  .option('--data <folder>', 'table5: photographs in place of generated images')
  .option('--first-stage <path>', 'of the photographs: the folder of TAEF2, or at full the checkpoint of VQ-f4')
  .option('--steps <n>', "table5: steps of a student, in place of the scale's", positiveInteger)
  .option('--longer <n>', 'table5: steps of some students that are trained longer besides', positiveInteger)
  .option(
    '--examples <n>',
    "table5: noisy examples of a seed, for which the teacher's outputs are kept",
    positiveInteger,
  )
  .option('--estimate', "say what the paper's scale costs on this device, by a measured step, and do nothing else")
  .option('--seed <n>', 'seed of everything random', seed, 0)
  .addOption(backendOption())
  .action(async (names: string[], options: ReproduceOptions) => {
    process.stdout.write(`${await reproduce(names, options)}\n`);
  });

program
  .command('serve <run>')
  .description('a live page of a training: the folder of a project (its out) or of a model; Ctrl-C ends it')
  .option('--port <n>', 'on this machine; 0 for any that is free', portNumber, 6060)
  .action(serve);

enableProdMode(); // without it tfjs advises on other backends at every start

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Says what stopped a command. @returns the exit code. */
function report(error: unknown): number {
  if (error instanceof DOMException && error.name === 'AbortError') {
    process.stderr.write('stopped; nothing unfinished was written\n');
    return interruptedExitCode();
  }
  // What a person can mend is said plainly; anything else is a defect and keeps its stack.
  const text = error instanceof SpectralDiffusionError ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`${pc.red('error')} ${text}\n`);
  return 1;
}
