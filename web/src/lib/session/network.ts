/** Tells when the device changes its network (Network Information API); Chromium only, elsewhere ICE tells a little later. */
export function networkInformation(): EventTarget | undefined {
  return (navigator as Navigator & { connection?: EventTarget }).connection;
}
