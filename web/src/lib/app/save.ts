/** Gives the user a text as a file. */

export function saveText(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the address by then; a second keeps slow ones safe.
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
