/* DynaMix in the browser: the model of dynamix.forecast, in plain JavaScript. demo_prepare.js makes
 * a context of a series.
 *
 * Letters as in src/dynamix/model/: N observed and M latent dimensions, J experts, P ReLU units,
 * T context steps, K = T - 1 of them attended to. Everything is computed in double precision from
 * weights and contexts in single precision, as Python's "torch" engine does it.
 *
 * A classic script: modules cannot be loaded by a page that is opened from a file.
 */
window.DynaMixEngine = (function () {
  "use strict";

  const { prepare, widening } = window.DynaMixPrepare;
  const NEGLIGIBLE = 40; // exponents this far below the largest: e^-40 is below double rounding

  /** Float32Array of a packed tensor {shape, base64}. */
  function unpack(packed) {
    const bytes = atob(packed.base64);
    const view = new DataView(new ArrayBuffer(bytes.length));
    for (let i = 0; i < bytes.length; i++) view.setUint8(i, bytes.charCodeAt(i));
    const values = new Float32Array(bytes.length / 4);
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
    return values;
  }

  /** A model from what experiments/make_demo.py wrote; throws where it has parts unknown here. */
  function loadModel(source) {
    const config = source.config;
    if (config.expert_kind !== "alrnn" || config.probabilistic) {
      throw new Error("This page computes AL-RNN experts only, and this checkpoint has others.");
    }
    const tensor = (name) => Float64Array.from(unpack(source.tensors[name]));
    return {
      name: source.model,
      credit: source.credit,
      config,
      N: config.observed_dims,
      M: config.latent_dims,
      J: config.experts,
      P: config.relu_units,
      A: tensor("experts.A"),
      W: tensor("experts.W"),
      h: tensor("experts.h"),
      convWeight: tensor("gate.conv.weight"),
      convBias: tensor("gate.conv.bias"),
      D: tensor("gate.D"),
      sigma: tensor("gate.sigma"),
      tauAttention: tensor("gate.tau_att")[0],
      tauGate: tensor("gate.tau_gate")[0],
      U: tensor("gate.U"),
      V: tensor("gate.V"),
      L: tensor("L"),
      parameters: Object.values(source.tensors).reduce(
        (sum, t) => sum + t.shape.reduce((a, b) => a * b, 1), 0),
    };
  }

  // ---- the gate's noise ----

  /** Standard normal numbers from a seed: sfc32 (Doty-Humphrey's PractRand), then Box-Muller. */
  function normals(seed) {
    let a = 0x9e3779b9, b = 0x243f6a88, c = seed | 0, counter = 1, spare = null;
    function uniform() {
      const t = (((a + b) | 0) + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (c << 21) | (c >>> 11);
      c = (c + t) | 0;
      return ((t >>> 0) + 0.5) / 4294967296;
    }
    for (let i = 0; i < 15; i++) uniform(); // neighbouring seeds begin alike
    return function () {
      if (spare !== null) {
        const value = spare;
        spare = null;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(uniform())), angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
  }

  /**
   * What a forecast runs with: the reader's choices, else the checkpoint's own settings. It is
   * given the context too, the place for settings that depend on it.
   */
  function settingsFor(model, context, choices) {
    const config = model.config;
    return {
      sharpness: choices.sharpness ?? config.attention_sharpness,
      quietSteps: choices.quietSteps ?? config.quiet_steps,
      gateNoise: choices.gateNoise ?? true,
      noiseWidth: choices.noiseWidth ?? 1, // in the learned width
      widening: widening(context, choices.referenceSpacing ?? config.reference_spacing),
      seed: choices.seed ?? 0,
    };
  }

  // ---- the model (src/dynamix/model/) ----

  /** A free-running forecast that is advanced step by step. */
  class Rollout {
    constructor(model, context, choices = {}) {
      const { N, M, J } = model;
      this.model = model;
      this.context = context;
      this.settings = settingsFor(model, context, choices);
      this.tau = Math.abs(Math.fround((model.tauAttention / this.settings.sharpness) * this.settings.widening));
      this.draw = normals(this.settings.seed);
      this.steps = 0;
      this.encodings = encode(model, context);
      this.distances = new Float64Array(context.T - 1);
      this.looksAt = context.T - 2; // context step of the largest attention
      this.weights = new Float64Array(J);
      this.observation = new Float64Array(N); // in units of the data; the first n count
      this.query = new Float64Array(N);
      this.summary = new Float64Array(N);
      this.hidden = new Float64Array(J);
      this.active = new Float64Array(M);
      this.next = new Float64Array(M);
      this.z = new Float64Array(M); // z_0 = [x_0; L x_0]
      for (let i = 0; i < N; i++) this.z[i] = context.points[(context.T - 1) * N + i];
      for (let m = N; m < M; m++) {
        for (let i = 0; i < N; i++) this.z[m] += model.L[(m - N) * N + i] * this.z[i];
      }
    }

    /** One step: z' = sum_j w_j f_j(z). Returns whether the state is still finite. */
    step() {
      this.gate();
      const { model, weights, active, z, next } = this;
      const { M, J, P, A, W, h } = model;
      for (let m = 0; m < M; m++) active[m] = m >= M - P && z[m] < 0 ? 0 : z[m];
      next.fill(0);
      for (let j = 0; j < J; j++) {
        const w = weights[j];
        if (w < 1e-20) continue; // beneath rounding
        for (let m = 0; m < M; m++) {
          const row = (j * M + m) * M;
          let sum = A[j * M + m] * z[m] + h[j * M + m];
          for (let k = 0; k < M; k++) sum += W[row + k] * active[k];
          next[m] += w * sum;
        }
      }
      this.z = next;
      this.next = z;
      this.steps += 1;
      let finite = true;
      for (let i = 0; i < model.N; i++) {
        finite = finite && Number.isFinite(next[i]);
        this.observation[i] = i < this.context.n ? this.context.back(i, Math.fround(next[i]), this.context.steps + this.steps - 1) : next[i];
      }
      return finite;
    }

    /** Expert weights at the present state, into this.weights. */
    gate() {
      const { model, context, settings, z, query, summary, hidden, weights, distances, encodings } = this;
      const { N, M, J, D, U, V } = model;
      for (let i = 0; i < N; i++) {
        let sum = 0;
        for (let m = 0; m < M; m++) sum += D[i * M + m] * z[m];
        const noise = settings.gateNoise ? this.draw() : 0; // drawn in quiet steps too
        query[i] = sum + (this.steps < settings.quietSteps ? 0 : settings.noiseWidth * settings.widening * model.sigma[i] * noise);
      }
      // attention over the context: softmax of minus the distances
      const points = context.points;
      let nearest = Infinity;
      for (let k = 0, at = 0; k < distances.length; k++) {
        let distance = 0;
        for (let i = 0; i < N; i++, at++) distance += Math.abs(points[at] - query[i]);
        distances[k] = distance;
        if (distance < nearest) {
          nearest = distance;
          this.looksAt = k;
        }
      }
      const reach = nearest + NEGLIGIBLE * this.tau;
      let total = 0;
      summary.fill(0);
      for (let k = 0; k < distances.length; k++) {
        if (!(distances[k] < reach)) continue;
        const attention = Math.exp((nearest - distances[k]) / this.tau);
        total += attention;
        for (let i = 0; i < N; i++) summary[i] += attention * encodings[k * N + i];
      }
      // a perceptron of the summary and the state
      const width = N + M;
      for (let j = 0; j < J; j++) {
        let sum = 0;
        for (let i = 0; i < N; i++) sum += (U[j * width + i] * summary[i]) / total;
        for (let m = 0; m < M; m++) sum += U[j * width + N + m] * z[m];
        hidden[j] = Math.max(sum, 0);
      }
      let largest = -Infinity, norm = 0;
      for (let j = 0; j < J; j++) {
        let sum = 0;
        for (let i = 0; i < J; i++) sum += V[j * J + i] * hidden[i];
        weights[j] = -sum / Math.abs(model.tauGate);
        largest = Math.max(largest, weights[j]);
      }
      for (let j = 0; j < J; j++) norm += weights[j] = Math.exp(weights[j] - largest);
      for (let j = 0; j < J; j++) weights[j] /= norm;
    }
  }

  /** e_k: a convolution of the context steps k and k + 1, K x N. */
  function encode(model, context) {
    const { N, convWeight, convBias } = model;
    const encodings = new Float64Array((context.T - 1) * N);
    for (let k = 0; k < context.T - 1; k++) {
      for (let o = 0; o < N; o++) {
        let sum = convBias[o];
        for (let i = 0; i < N; i++) {
          sum += convWeight[(o * N + i) * 2] * context.points[k * N + i];
          sum += convWeight[(o * N + i) * 2 + 1] * context.points[(k + 1) * N + i];
        }
        encodings[k * N + o] = sum;
      }
    }
    return encodings;
  }

  /** A whole forecast at once: arrays of rows, for tests and for the console. */
  function forecast(model, columns, horizon, choices = {}) {
    const rollout = new Rollout(model, prepare(columns, model.N, choices), choices);
    const rows = [], gates = [];
    for (let t = 0; t < horizon; t++) {
      rollout.step();
      rows.push(Array.from(rollout.observation.slice(0, columns.length)));
      gates.push(Array.from(rollout.weights));
    }
    return { rows, gates };
  }

  return { unpack, loadModel, prepare, normals, Rollout, forecast };
})();
