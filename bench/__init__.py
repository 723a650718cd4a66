"""
How fast Watchkeeper is: `./watchkeeper bench NAME`. Each bench is a module here with `main(arguments)`.

A bench measures the product as it runs (web server and worker as `./watchkeeper up` starts them) beside a reference on
the same machine in the same run, and prints ratios, exponents and percentiles. Nothing of the product imports this
package, and no test asserts a time.
"""
