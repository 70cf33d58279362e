/**
 * Takes settings out of the environment: an empty variable is an unset one, a secret may come from the
 * file that `<name>_FILE` names, and every fault is collected before one error reports them all. The
 * value of a secret is never shown.
 */
import { ConfigurationError, type ConfigurationFault } from "../errors.ts";
import { SETTING_TABLE, type SettingName } from "./setting_table.ts";

/** Where settings come from. */
export interface SettingSource {
  /** Value of an environment variable; undefined when it is unset. */
  readonly readVariable: (name: string) => string | undefined;
  /** Content of a text file; throws when it cannot be read. */
  readonly readTextFile: (path: string) => string;
}

/** Values by the setting's name. */
export type SettingValues = {
  readonly [Name in SettingName]: ReturnType<typeof SETTING_TABLE[Name]["read"]>;
};

/**
 * Reads the named settings.
 *
 * @throws {ConfigurationError} listing every fault
 */
export function readSettings<Name extends SettingName>(
  names: readonly Name[],
  source: SettingSource,
): Pick<SettingValues, Name> {
  const faults: ConfigurationFault[] = [];
  const values = names.map((name) => [
    name,
    collectFaults(faults, () => readSetting(name, source)),
  ]);
  if (faults.length > 0) throw new ConfigurationError(faults);
  // Each value comes from the table's entry of its own name, which the compiler cannot follow.
  return Object.fromEntries(values) as Pick<SettingValues, Name>;
}

/** Runs `work`; moves the faults of its ConfigurationError to `faults` and gives undefined then. */
export function collectFaults<T>(faults: ConfigurationFault[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    faults.push(...error.faults);
    return undefined;
  }
}

function readSetting(name: SettingName, source: SettingSource): unknown {
  const setting = SETTING_TABLE[name];
  if (!setting.secret) return setting.read(source.readVariable(name) || undefined, name);
  const { text, key } = readSecret(name, source);
  try {
    return setting.read(text, key);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    // Without `cause`: what a format says of a value must not come out by that way either.
    throw new ConfigurationError(error.faults.map(hideValue));
  }
}

function hideValue(fault: ConfigurationFault): ConfigurationFault {
  return fault.value === undefined ? fault : { ...fault, value: "a secret, not shown" };
}

/** The secret's text and the name of the variable it came from. */
function readSecret(
  name: string,
  source: SettingSource,
): { readonly text: string | undefined; readonly key: string } {
  const fileKey = `${name}_FILE`;
  const text = source.readVariable(name) || undefined;
  const path = source.readVariable(fileKey) || undefined;
  if (path === undefined) return { text, key: name };
  if (text !== undefined) {
    throw new ConfigurationError([{ key: fileKey, rule: `cannot be set together with ${name}` }]);
  }
  const content = readTextFile(path, fileKey, source).replace(/\r?\n$/, "");
  if (content === "") {
    throw new ConfigurationError([{ key: fileKey, rule: "must name a file that is not empty" }]);
  }
  return { text: content, key: fileKey };
}

/**
 * Reads a file that a setting names.
 *
 * @throws {ConfigurationError} it cannot be read; says why in the word of the operating system
 */
export function readTextFile(path: string, key: string, source: SettingSource): string {
  try {
    return source.readTextFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.name : "unknown error";
    throw new ConfigurationError(
      [{ key, rule: `must name a file that can be read (${reason})`, value: JSON.stringify(path) }],
      { cause },
    );
  }
}
