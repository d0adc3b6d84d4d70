// OpenHub's SDK for rules in JavaScript: rows in, effects out. It hides the columns that cross the boundary.
//
// `openhub plugin build` puts it into `.openhub`, with `openhub.js` beside it, which is what a plugin imports. Nothing here
// needs a hub, so that a plugin's functions can be tested in Node.js, too.

/** This row fails: its effects are dropped, the other rows stand. `code` is stable and in kebab-case. */
export class RowFault extends Error {
  constructor(code, message = code, args = {}) {
    super(message);
    this.name = "RowFault";
    this.code = code;
    this.args = args;
  }
}

/** A decimal number with a fixed scale, kept as a whole number of its smallest unit: 29.33 is 2933 of scale 2. */
export class Decimal {
  constructor(units, scale) {
    if (!Number.isSafeInteger(units)) throw new RangeError(`${units} is not a whole number that JavaScript has exactly`);
    if (!Number.isInteger(scale) || scale < 0) throw new RangeError(`${scale} is not a scale`);
    this.units = units;
    this.scale = scale;
    Object.freeze(this);
  }

  /** Reads a text such as "29.33" exactly. Its digits after the point are its scale, if none is given. */
  static parse(text, scale) {
    const parts = /^(-?)(\d*)(?:\.(\d*))?$/.exec(text);
    if (!parts || !(parts[2] || parts[3])) throw new RangeError(`"${text}" is not a decimal number`);
    const fraction = parts[3] ?? "";
    const given = new Decimal(Number(`${parts[1]}${parts[2]}${fraction}`) + 0, fraction.length);
    return scale === undefined ? given : given.at(scale);
  }

  /** The same number with another scale; refused if digits would be lost. */
  at(scale) {
    if (scale >= this.scale) return new Decimal(this.units * 10 ** (scale - this.scale), scale);
    const less = this.units / 10 ** (this.scale - scale);
    if (!Number.isInteger(less)) throw new RangeError(`${this} has more than ${scale} digits after the point`);
    return new Decimal(less, scale);
  }

  /** Without its fraction, towards zero. */
  whole() {
    const one = 10 ** this.scale;
    return (this.units - (this.units % one)) / one + 0;
  }

  plus(other) {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale).units + other.at(scale).units, scale);
  }

  minus(other) {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale).units - other.at(scale).units, scale);
  }

  /** Less than zero, zero or more than zero, as a sort wants it. */
  compare(other) {
    return this.minus(other).units;
  }

  toString() {
    const digits = String(Math.abs(this.units)).padStart(this.scale + 1, "0");
    const sign = this.units < 0 ? "-" : "";
    const point = digits.length - this.scale;
    return this.scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  }
}

/** A moment, in microseconds since 1970. */
export class Timestamp {
  constructor(micros) {
    if (!Number.isSafeInteger(micros)) throw new RangeError(`${micros} is not a whole number of microseconds`);
    this.micros = micros;
    Object.freeze(this);
  }

  static parse(text) {
    return Timestamp.of(new Date(text));
  }

  static of(date) {
    return new Timestamp(date.getTime() * 1000);
  }

  plusSeconds(seconds) {
    return new Timestamp(this.micros + Math.round(seconds * 1_000_000));
  }

  /** As JavaScript has it, to the millisecond. */
  toDate() {
    return new Date(Math.floor(this.micros / 1000));
  }

  toString() {
    return this.toDate().toISOString();
  }
}

/** An event that a rule causes, of the row's customer. `openhub.js` has a class for each event that `plugin.toml` declares. */
export class CausedEvent {
  constructor(event, fields) {
    this.event = event;
    this.fields = fields;
  }
}

const printed = (level) => (message) => console[level](message);
let write = undefined;
const line = (level) => (message, fields = {}) =>
  write ? write(level, String(message), JSON.stringify(fields)) : printed(level)(message);

/** Lines for whoever runs the plugin; no personal data belongs here. */
export const log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };

/** What the component exports: each declared rule, as a function of a batch. `functions` is the plugin's own module. */
export function rules(shapes, functions, host) {
  write = host.write;
  const all = new Map();
  for (const shape of shapes) {
    const apply = functions[shape.function];
    if (typeof apply !== "function") {
      throw new Error(`plugin.js has no function for the rule \`${shape.name}\`: write \`export function ${shape.function}(row) { … }\``);
    }
    all.set(shape.name, { shape, apply });
  }
  return {
    evaluate(name, batch) {
      const rule = all.get(name);
      if (!rule) throw reason("unknown-name", `this plugin has no rule \`${name}\``);
      return evaluate(rule, batch);
    },
  };
}

function evaluate({ shape, apply }, batch) {
  const params = parameters(shape.params, batch.params);
  const rows = records(shape.reads, shape.lists, batch.rows, batch.columns, batch.tables[Symbol.iterator]());
  const effects = new Effects(shape);
  const faults = [];
  rows.forEach((row, index) => {
    try {
      if (row instanceof RowFault) throw row;
      effects.add(index, apply(row, params));
    } catch (thrown) {
      if (!(thrown instanceof RowFault)) broken(shape.name, thrown);
      faults.push({ row: index, reason: reason(thrown.code, thrown.message, thrown.args) });
    }
  });
  return { ...effects.finished(), objects: [], faults };
}

/** Anything else that is thrown ends the call, as it is a fault of the code: the log says what it was. */
function broken(name, thrown) {
  const stack = thrown instanceof Error && thrown.stack ? `\n${thrown.stack.trimEnd()}` : "";
  log.error(`the rule \`${name}\` threw ${thrown}${stack}`);
  throw thrown;
}

function reason(code, message, args = {}) {
  return { code: String(code), message: String(message), args: Object.entries(args).map(([name, value]) => [name, String(value)]) };
}

function parameters(fields, columns) {
  const params = {};
  fields.forEach((field, index) => {
    const value = values(field, columns[index], 1)[0];
    if (value instanceof RowFault) throw reason("malformed-params", value.message);
    params[field.name] = value ?? field.default ?? null;
  });
  return Object.freeze(params);
}

/** One object for each entry, or the fault of an entry that cannot be one. Lists of single values have their tables first. */
function records(reads, lists, count, columns, tables) {
  let at = 0;
  const fields = reads.map((read) => [read.name, read.list ? undefined : values(read, columns[at++], count)]);
  reads.forEach((read, index) => {
    if (!read.list) return;
    const { ends, columns } = tables.next().value;
    fields[index][1] = parts(values(read, columns[0], ends.at(-1) ?? 0), ends);
  });
  for (const list of lists) {
    const { ends, columns } = tables.next().value;
    fields.push([list.name, parts(records(list.reads, list.lists, ends.at(-1) ?? 0, columns, tables), ends)]);
  }
  const entries = [];
  for (let entry = 0; entry < count; entry++) {
    const record = {};
    let fault = undefined;
    for (const [name, all] of fields) {
      const value = all[entry];
      if (value instanceof RowFault) fault ??= value;
      record[name] = value;
    }
    entries.push(fault ?? record);
  }
  return entries;
}

/** The elements of each entry; an entry whose element is faulty is that fault. */
function parts(elements, ends) {
  let start = 0;
  return Array.from(ends, (end) => {
    const part = elements.slice(start, end);
    start = end;
    return part.find((element) => element instanceof RowFault) ?? part;
  });
}

/** A value for each entry of a column: null where there is none, a fault where it is not of its type. */
function values(field, column, count) {
  const raw = column.values.tag === "texts" ? column.values.val.split("\0") : column.values.val;
  const read = READERS[field.kind];
  const malformed = () => new RowFault("malformed-read", `\`${field.name}\` is missing, or is not one of its declared values`);
  const all = [];
  let next = 0;
  for (let entry = 0; entry < count; entry++) {
    if (column.absent[next] === entry) {
      next++;
      all.push(field.required ? malformed() : null);
    } else {
      all.push(read(raw[entry], field) ?? malformed());
    }
  }
  return all;
}

/** JavaScript has whole numbers exactly up to 2^53. A seed is only drawn from, so its last digits do not matter. */
function exact(number, field) {
  if (Number.isSafeInteger(number) || field.seed) return undefined;
  return new RowFault("too-large", `\`${field.name}\` is larger than ${Number.MAX_SAFE_INTEGER}, which JavaScript does not have exactly`);
}

const READERS = {
  boolean: (value) => value !== 0,
  integer: (value, field) => exact(Number(value), field) ?? Number(value),
  number: (value) => value,
  timestamp: (value, field) => exact(Number(value), field) ?? new Timestamp(Number(value)),
  decimal: (value, field) => exact(Number(value), field) ?? new Decimal(Number(value), field.scale),
  text: (value) => value,
  enum: (value, field) => (field.values.includes(value) ? value : undefined),
};

const WRITERS = {
  boolean: (value) => (typeof value === "boolean" ? Number(value) : undefined),
  integer: (value) => (Number.isSafeInteger(value) ? value : undefined),
  number: (value) => (typeof value === "number" ? value : undefined),
  timestamp: (value) => (value instanceof Date ? Timestamp.of(value).micros : value instanceof Timestamp ? value.micros : undefined),
  decimal: (value, field) => {
    if (value instanceof Decimal) return value.at(field.scale).units;
    if (typeof value === "string") return Decimal.parse(value, field.scale).units;
    return Number.isSafeInteger(value) ? new Decimal(value, 0).at(field.scale).units : undefined;
  },
  text: (value) => (typeof value === "string" && !value.includes("\0") ? value : undefined),
  enum: (value, field) => (field.values.includes(value) ? value : undefined),
};

/** As it crosses the boundary. */
function raw(field, value) {
  const written = WRITERS[field.kind](value, field);
  if (written !== undefined) return written;
  const wanted = field.kind === "enum" ? `one of ${field.values.join(", ")}` : `of the type ${field.kind}`;
  throw new TypeError(`\`${field.name}\` must be ${wanted}, not ${typeof value === "string" ? `"${value}"` : value}`);
}

const EMPTY = { boolean: 0, integer: 0, number: 0, timestamp: 0, decimal: 0, text: "", enum: "" };
const TAGS = {
  boolean: "booleans",
  integer: "integers",
  number: "numbers",
  timestamp: "integers",
  decimal: "integers",
  text: "texts",
  enum: "texts",
};

function columnOf(field, values) {
  const tag = TAGS[field.kind];
  if (tag === "texts") return { tag, val: values.map((text) => `${text}\0`).join("") };
  return { tag, val: tag === "booleans" ? Uint8Array.from(values) : values };
}

/** What the rows of a call do, gathered by what is written. */
class Effects {
  constructor(shape) {
    this.shape = shape;
    this.writes = shape.writes.map(() => ({ rows: [], ends: [], values: [], unset: [] }));
    this.events = shape.events.map((event) => ({ rows: [], columns: event.fields.map(() => ({ values: [], absent: [] })) }));
    this.known = new Set([...shape.writes.map((write) => write.name), "events"]);
  }

  /** Nothing of a row is kept before all of it is known to be right. */
  add(row, effects) {
    if (effects === undefined || effects === null) return;
    if (typeof effects !== "object" || typeof effects.then === "function") {
      throw new TypeError("a rule returns an object with its writes, or nothing; it cannot be an async function");
    }
    for (const name of Object.keys(effects)) {
      if (!this.known.has(name)) {
        throw new TypeError(`the rule does not write \`${name}\`; there are: ${[...this.known].join(", ")}`);
      }
    }
    const written = this.shape.writes.map((write) => {
      const value = effects[write.name];
      if (value === undefined || value === null) return value;
      if (!write.list) return raw(write, value);
      if (!Array.isArray(value)) throw new TypeError(`\`${write.name}\` must be an array`);
      return value.map((element) => raw(write, element));
    });
    const caused = (effects.events ?? []).map((event) => this.caused(event));
    written.forEach((value, target) => this.write(row, target, value));
    for (const [number, cells] of caused) {
      const event = this.events[number];
      cells.forEach((cell, index) => {
        if (cell.isAbsent) event.columns[index].absent.push(event.rows.length);
        event.columns[index].values.push(cell.value);
      });
      event.rows.push(row);
    }
  }

  write(row, target, value) {
    const sink = this.writes[target];
    const shape = this.shape.writes[target];
    if (value === undefined || (shape.counter && !value)) return;
    if (value === null) {
      sink.unset.push(row);
      return;
    }
    sink.rows.push(row);
    if (shape.list) {
      sink.values.push(...value);
      sink.ends.push(sink.values.length);
    } else {
      sink.values.push(value);
    }
  }

  caused(event) {
    const number = this.shape.events.findIndex((shape) => event instanceof CausedEvent && shape.name === event.event);
    if (number < 0) {
      const names = this.shape.events.map((shape) => shape.class).join(", ") || "none";
      throw new TypeError(`\`events\` has something that is no event of this rule; there are: ${names}`);
    }
    const { fields, name } = this.shape.events[number];
    const stranger = Object.keys(event.fields).find((given) => !fields.some((field) => field.name === given));
    if (stranger !== undefined) throw new TypeError(`the event "${name}" has no field \`${stranger}\``);
    return [
      number,
      fields.map((field) => {
        const value = event.fields[field.name];
        if (value !== undefined && value !== null) return { value: raw(field, value) };
        if (field.required) throw new TypeError(`the event "${name}" needs \`${field.name}\``);
        return { value: EMPTY[field.kind], isAbsent: true };
      }),
    ];
  }

  finished() {
    const { shape } = this;
    const writes = this.writes.map(({ rows, ends, values, unset }, target) => {
      return { target, rows, ends, values: columnOf(shape.writes[target], values), unset };
    });
    const events = this.events.map(({ rows, columns }, event) => {
      const of = (index) => shape.events[event].fields[index];
      return { event, rows, to: [], columns: columns.map(({ values, absent }, index) => ({ values: columnOf(of(index), values), absent })) };
    });
    return {
      writes: writes.filter(({ rows, unset }) => rows.length + unset.length > 0),
      events: events.filter(({ rows }) => rows.length > 0),
    };
  }
}
